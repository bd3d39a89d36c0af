//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header).

use application::ports::IdempotencyKey;
use http::{HeaderMap, HeaderName};

use crate::{Problem, ProblemKind};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks an answer that repeats an earlier one.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The request's key, if it has one.
///
/// # Errors
///
/// A 400 that names the rule, if there are several keys or the key is not valid.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // API Gateway joins the values of a repeated header with a comma (payload format 2.0).
    if values.next().is_some() || value.as_bytes().contains(&b',') {
        return Err(invalid("Send one Idempotency-Key, without a comma in it.".to_owned()));
    }
    let key = value.to_str().ok().and_then(IdempotencyKey::parse);
    let rule = || {
        let longest = IdempotencyKey::LENGTH_MAX;
        format!("Idempotency-Key must be 1 to {longest} visible ASCII characters without spaces.")
    };
    key.map(Some).ok_or_else(|| invalid(rule()))
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemKind::InvalidHeader, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<IdempotencyKey>, u16> {
        let header = |value: &&[u8]| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        let headers: HeaderMap = values.iter().map(header).collect();
        idempotency_key(&headers).map_err(|problem| problem.kind().status().as_u16())
    }

    #[test]
    fn a_request_without_a_key_has_none() {
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn a_key_is_1_to_255_visible_characters() {
        for key in ["k", "8e03978e-40d5-43e8-bc93-6894a57f9324", &"~".repeat(255)] {
            assert_eq!(read(&[key.as_bytes()]).unwrap().unwrap().as_str(), key);
        }
        let long = [b'k'; 256];
        let bad: [&[u8]; 6] = [b"", b"a b", b"a\tb", "ключ".as_bytes(), b"\xff", &long];
        for key in bad {
            assert_eq!(read(&[key]), Err(400), "{key:?}");
        }
    }

    #[test]
    fn several_keys_are_refused() {
        assert_eq!(read(&[b"a", b"a"]), Err(400));
        assert_eq!(read(&[b"a,a"]), Err(400), "as API Gateway joins them");
    }
}
