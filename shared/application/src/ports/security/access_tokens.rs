use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::identity::{SessionId, UserId};
use domain::timestamp::Timestamp;
use secrecy::SecretString;

use crate::outcome::Failure;

/// The user and the session that an access token identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The user who logged in.
    pub user_id: UserId,
    /// The session in which the token was issued.
    pub session_id: SessionId,
}

/// An access token as the client gets it.
#[derive(Debug)]
pub struct AccessToken {
    /// The token, sent with each request.
    pub token: SecretString,
    /// How long the token is good after it was issued.
    pub expires_in: Duration,
}

/// Signs access tokens for users who have proved who they are.
pub trait AccessTokenIssuer: Send + Sync {
    /// A token that identifies its bearer, the user and the session, until some minutes after
    /// `now`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be signed.
    fn issue(
        &self,
        bearer: Bearer,
        now: Timestamp,
    ) -> impl Future<Output = Result<AccessToken, Failure>> + Send;
}

/// One issuer for several use cases.
impl<Issuer: AccessTokenIssuer> AccessTokenIssuer for Arc<Issuer> {
    async fn issue(&self, bearer: Bearer, now: Timestamp) -> Result<AccessToken, Failure> {
        self.as_ref().issue(bearer, now).await
    }
}

/// Why a token is not good, for the log alone: the answer is the same for all bad tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid access token: {0}")]
pub struct InvalidToken(pub String);

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyTokenError {
    /// The token is not good: the client needs another one.
    #[error(transparent)]
    Invalid(#[from] InvalidToken),
    /// The key that the token names couldn't be looked up. The token may be good.
    #[error("the token's key couldn't be looked up")]
    KeysUnavailable(#[source] Failure),
    /// We have signed the token, in what is the future by this process's clock. So that clock, or
    /// the issuer's, is wrong by more than the leeway, and another token would not help.
    #[error("an access token is from the future: the clocks differ by {0} s, more than the leeway")]
    ClocksDiffer(i64),
}

/// Verifies access tokens, as RFC 8725 and RFC 9068 require.
pub trait AccessTokenVerifier: Send + Sync {
    /// The bearer of a token. It MUST refuse every algorithm, type, issuer and audience except the
    /// expected one, and every token that is not good at `now`, with a leeway of a minute.
    ///
    /// # Errors
    ///
    /// [`VerifyTokenError`]; never `Ok` when the key couldn't be looked up.
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Bearer, VerifyTokenError>> + Send;
}
