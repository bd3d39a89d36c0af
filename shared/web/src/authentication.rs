//! The user to whom a request belongs.

use std::time::Duration;

use application::outcome::{Failure, FailureClass};
use application::ports::{AccessTokenVerifier, Bearer, Clock, InvalidToken, VerifyTokenError};
use application::users::show_account::ShowAccountError;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::Problem;

/// The user and the session of the request's access token. The request's span records the user as
/// `user_id`.
///
/// # Errors
///
/// A 401 if the token is missing or not valid, the same for every fault; 503 if the token's key
/// could not be looked up, or this process's clock is wrong; 500 if the stored key is corrupt. A
/// token that cannot be verified is never accepted.
pub async fn authenticate(
    headers: &HeaderMap,
    verifier: &impl AccessTokenVerifier,
    clock: &impl Clock,
) -> Result<Bearer, Problem> {
    let Some(token) = bearer(headers) else {
        return Err(unauthorized(InvalidToken("it is missing".to_owned())));
    };
    match verifier.verify(token, clock.now()).await {
        Ok(bearer) => {
            tracing::Span::current().record("user_id", bearer.user_id.get());
            Ok(bearer)
        }
        Err(VerifyTokenError::Invalid(invalid)) => Err(unauthorized(invalid)),
        Err(VerifyTokenError::KeysUnavailable(failure)) => Err(failure.into()),
        Err(error @ VerifyTokenError::ClocksDiffer(_)) => {
            Err(Problem::failed(FailureClass::Unavailable, error))
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1), if there is exactly one such
/// header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("Bearer") && is_token68(token)).then_some(token)
}

/// The form of a token (RFC 9110, section 11.2).
fn is_token68(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// The 401 of a good access token whose session has ended, the same as of a token that is not good.
pub fn session_over() -> Problem {
    unauthorized(InvalidToken("its session has ended".to_owned()))
}

/// The 429 of a password that is not checked, because too many before it were wrong.
pub fn too_many_guesses(wait: Duration) -> Problem {
    Problem::too_many_requests("There were too many wrong passwords. Try again later.", wait)
}

impl From<ShowAccountError> for Problem {
    fn from(error: ShowAccountError) -> Self {
        match error {
            ShowAccountError::SessionOver => session_over(),
            ShowAccountError::Unavailable(Failure { class, .. }) => Self::failed(class, error),
        }
    }
}

/// The 401 of every request without a valid token.
fn unauthorized(why: InvalidToken) -> Problem {
    Problem::unauthorized("Log in and send the access token as `Authorization: Bearer <token>`.")
        .caused_by(why)
}

#[cfg(test)]
mod tests {
    use domain::identity::{SessionId, UserId};
    use domain::timestamp::Timestamp;
    use http::HeaderValue;

    use super::*;

    const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
    }

    /// Accepts the token `good`. The tokens `away` and `corrupt` stand for faults of the key table,
    /// and `future` for one of a clock.
    struct Tokens;

    impl AccessTokenVerifier for Tokens {
        async fn verify(&self, token: &str, _: Timestamp) -> Result<Bearer, VerifyTokenError> {
            match token {
                "good" => Ok(Bearer {
                    user_id: UserId::new(123).unwrap(),
                    session_id: SESSION.parse::<SessionId>().unwrap(),
                }),
                "away" => Err(VerifyTokenError::KeysUnavailable(Failure::new(
                    FailureClass::Unavailable,
                    "no table",
                ))),
                "corrupt" => Err(VerifyTokenError::KeysUnavailable(Failure::new(
                    FailureClass::Permanent,
                    "no key",
                ))),
                "future" => Err(VerifyTokenError::ClocksDiffer(61)),
                _ => Err(InvalidToken("it has expired".to_owned()).into()),
            }
        }
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let header = |value: &&str| (AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        values.iter().map(header).collect()
    }

    async fn answer(values: &[&str]) -> Result<Bearer, crate::Response> {
        let user = authenticate(&headers(values), &Tokens, &Fixed).await;
        user.map_err(|problem| problem.into_response("r1"))
    }

    #[tokio::test]
    async fn the_bearer_of_a_good_token_is_its_user() {
        for value in ["Bearer good", "bearer good", "BEARER  good"] {
            assert_eq!(answer(&[value]).await.unwrap().user_id.get(), 123, "{value}");
        }
    }

    #[tokio::test]
    async fn every_missing_or_invalid_token_gets_the_same_answer() {
        let missing = answer(&[]).await.unwrap_err();
        assert_eq!(missing.status(), 401);
        let bad: [&[&str]; 11] = [
            &["Bearer expired"],
            &["Bearer"],
            &["Bearer "],
            &[""],
            &["good"],
            &["Basic good"],
            &["Bearer good good"],
            &["Bearer good,Bearer good"],
            &["Bearer ="],
            &["Bearer good", "Bearer good"],
            &["Bearer\tgood"],
        ];
        for values in bad {
            let answered = answer(values).await.unwrap_err();
            assert_eq!(answered.status(), 401, "{values:?}");
            assert_eq!(answered.headers(), missing.headers(), "{values:?}");
            assert_eq!(answered.body(), missing.body(), "{values:?}");
        }
    }

    #[tokio::test]
    async fn no_token_is_accepted_while_its_key_cannot_be_read() {
        let answered = answer(&["Bearer away"]).await.unwrap_err();
        assert_eq!(answered.status(), 503);
        assert!(answered.headers().contains_key("retry-after"));
        let answered = answer(&["Bearer corrupt"]).await.unwrap_err();
        assert_eq!(answered.status(), 500, "trying again won't help");
    }

    #[tokio::test]
    async fn a_wrong_clock_is_our_fault_and_not_the_tokens() {
        let answered = answer(&["Bearer future"]).await.unwrap_err();
        assert_eq!(answered.status(), 503);
        assert!(answered.headers().contains_key("retry-after"));
    }
}
