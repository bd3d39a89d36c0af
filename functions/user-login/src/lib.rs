//! `POST /v1/users/login`: exchanges an address and a password for an access token.

pub mod config;

use std::time::Duration;

use application::log_in::{LogIn, LogInError};
use application::ports::{AccessTokenIssuer, Accounts, Clock, PasswordVerifier};
use contracts::login::{Login, Tokens};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use web::{Problem, Response, respond};

/// When to try again after a 503.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The handler with what it needs.
pub struct Handler<A, P, T, K> {
    /// The use case.
    pub log_in: LogIn<A, P, T, K>,
}

impl<A, P, T, K> Handler<A, P, T, K>
where
    A: Accounts,
    P: PasswordVerifier,
    T: AccessTokenIssuer,
    K: Clock,
{
    /// Answers a request; every problem is an answer too.
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&self.log_in.clock, request, async |_, request| self.log_in(&request).await)
            .await
    }

    async fn log_in(&self, request: &Request) -> Result<Response, Problem> {
        let Login { email, password } = web::read_json(request)?;
        let password = SecretString::from(password);
        let token = self.log_in.execute(&email, password).await.map_err(|error| match error {
            LogInError::WrongCredentials => Problem::unauthorized(
                "The address and the password don't belong together. Check both.",
            ),
            LogInError::Unavailable(_) => Problem::unavailable(RETRY_AFTER).caused_by(error),
        })?;
        let tokens = Tokens {
            access_token: token.token.expose_secret().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: token.expires_in.as_secs(),
        };
        respond::json(StatusCode::OK, &tokens)
    }
}
