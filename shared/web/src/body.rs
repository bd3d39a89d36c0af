//! JSON bodies.

mod fault;
mod objects;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::Request;
use serde::de::DeserializeOwned;

use crate::{Problem, ProblemKind};
use objects::Objects;

/// The longest body that is read, in bytes after base64 decoding.
pub const BODY_LENGTH_MAX: usize = 64 * 1024;

/// Reads a JSON body.
///
/// A fault names the place and what is expected there. It never repeats a value, because a login's
/// body holds a password. `serde_json` limits nesting to 128 levels, and a repeated member is
/// refused.
///
/// # Errors
///
/// A 413 if the body is longer than [`BODY_LENGTH_MAX`]; 400 if it is empty or not JSON; 415 if its
/// content type is not JSON, or it is compressed; 422 if it is JSON, but not a `Body`.
pub fn read_json<Body: DeserializeOwned>(request: &Request) -> Result<Body, Problem> {
    let body: &[u8] = request.body();
    if body.len() > BODY_LENGTH_MAX {
        let detail = format!("Send at most {BODY_LENGTH_MAX} bytes.");
        return Err(Problem::new(ProblemKind::BodyTooLarge, detail));
    }
    if body.is_empty() {
        return Err(Problem::new(ProblemKind::MalformedJson, "The body is empty. Send JSON."));
    }
    if !is_plain_json(request.headers()) {
        let detail = "Send JSON as `Content-Type: application/json`, without a Content-Encoding.";
        return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(Objects(&mut json));
    let read = read.map_err(|error| fault::problem(&error))?;
    json.end().map_err(|error| fault::malformed(&error))?;
    Ok(read)
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter().peekable();
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    types.peek().is_some()
        && types.all(|value| value.to_str().is_ok_and(is_json))
        && encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// API Gateway joins the values of a repeated header with a comma (payload format 2.0), and some
/// proxies repeat it. A list is JSON if every value is.
fn is_json(value: &str) -> bool {
    value.split(',').all(|media_type| {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence
            .strip_prefix("application/")
            .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
    })
}

#[cfg(test)]
mod tests;
