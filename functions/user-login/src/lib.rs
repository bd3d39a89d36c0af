//! `POST /v1/users/login`, `/v1/users/token` and `/v1/users/logout`: begins, continues and ends
//! sessions. This function is the only one that can read the private key that signs access tokens.

pub mod config;
pub mod key_source;

use std::sync::Arc;

use application::outcome::Failure;
use application::users::log_in::{Credentials, LogIn, LogInError, SessionTokens};
use application::users::log_out::LogOut;
use application::users::refresh_session::{RefreshError, RefreshSession};
use contracts::login::{self, Login, Logout, Refresh};
use dynamodb::{CachedVerificationKeys, DynamoAccounts, DynamoVerificationKeys};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use secrecy::{ExposeSecret, SecretString};
use security::password::Argon2idHasher;
use security::refresh_tokens::RandomRefreshTokens;
use security::tokens::{Ed25519TokenIssuer, Ed25519TokenVerifier};
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Cdn, Problem, RequestContext, Response, authentication, respond};

use crate::key_source::KeySource;

/// The issuer that logins and refreshes share, so that both use one copy of the key.
type Issuer = Arc<Ed25519TokenIssuer<KeySource>>;

pub struct Handler {
    /// `POST /v1/users/login`.
    pub log_in: LogIn<
        DynamoAccounts,
        Argon2idHasher,
        Issuer,
        RandomRefreshTokens,
        UuidIdentitySource,
        SystemClock,
    >,
    /// `POST /v1/users/token`.
    pub refresh: RefreshSession<
        DynamoAccounts,
        Issuer,
        RandomRefreshTokens,
        UuidIdentitySource,
        SystemClock,
    >,
    /// `POST /v1/users/logout`.
    pub log_out: LogOut<DynamoAccounts, UuidIdentitySource, SystemClock>,
    /// Verifies the access token of a logout from everywhere.
    pub tokens: Ed25519TokenVerifier<CachedVerificationKeys<DynamoVerificationKeys, SystemClock>>,
    pub cdn: Option<Cdn>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |context, request| match context.route.as_str() {
            "POST /v1/users/login" => self.log_in(context, &request).await,
            "POST /v1/users/token" => self.refresh(context, &request).await,
            "POST /v1/users/logout" => self.log_out(context, &request).await,
            _ => Err(Problem::not_found("There is nothing at this path.")),
        })
        .await
    }

    async fn log_in(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let Login { email, password } = web::read_json(request)?;
        let credentials = Credentials {
            email,
            password: SecretString::from(password),
            source,
            traceparent: context.trace_context(),
        };
        let tokens = self.log_in.execute(credentials, context.deadline).await;
        tokens_response(&tokens.map_err(login_problem)?)
    }

    async fn refresh(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let Refresh { refresh_token } = web::read_json(request)?;
        let token = SecretString::from(refresh_token);
        let tokens = self.refresh.execute(&token, source, context.deadline).await;
        tokens_response(&tokens.map_err(refresh_problem)?)
    }

    async fn log_out(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let deadline = context.deadline;
        match web::read_json(request)? {
            Logout { refresh_token: Some(token), everywhere: false } => {
                let token = SecretString::from(token);
                self.log_out.one(&token, source, deadline).await?;
            }
            Logout { refresh_token: None, everywhere: true } => {
                let bearer =
                    web::authenticate(request.headers(), &self.tokens, &SystemClock).await?;
                self.log_out.everywhere(bearer, source, deadline).await?;
            }
            Logout { .. } => {
                return Err(Problem::validation(
                    "Send either the `refresh_token` of the session to end, or `everywhere` as \
                     true with an access token.",
                ));
            }
        }
        Ok(respond::no_content())
    }
}

fn tokens_response(tokens: &SessionTokens) -> Result<Response, Problem> {
    let tokens = login::Tokens {
        access_token: tokens.access.token.expose_secret().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: tokens.access.expires_in.as_secs(),
        refresh_token: tokens.refresh.expose_secret().to_owned(),
    };
    respond::json(StatusCode::OK, &tokens)
}

fn login_problem(error: LogInError) -> Problem {
    match error {
        LogInError::WrongCredentials => {
            Problem::unauthorized("The e-mail address or the password is wrong. Check both.")
        }
        LogInError::TooMany(wait) => authentication::too_many_guesses(wait),
        LogInError::TooManyLogins(wait) => Problem::too_many_requests(
            "There were too many logins to this account. Try again later.",
            wait,
        ),
        LogInError::Unavailable(Failure { class, .. }) => Problem::failed(class, error),
    }
}

fn refresh_problem(error: RefreshError) -> Problem {
    match error {
        RefreshError::Invalid(_) => {
            Problem::unauthorized("The refresh token is not valid. Log in again.").caused_by(error)
        }
        RefreshError::TooMany(wait) => Problem::too_many_requests(
            "Too many refresh tokens of this account were exchanged. Try again later with the same \
             token.",
            wait,
        ),
        RefreshError::Unavailable(_) => {
            // It is not known here whether the token was exchanged. If it was, the next try ends
            // the session.
            let detail = "The service can't answer at the moment. Try again later with the same \
                          token; if that is refused, log in again.";
            Problem::unavailable(RETRY_AFTER_DEFAULT).with_detail(detail).caused_by(error)
        }
    }
}
