use std::future::Future;
use std::time::Duration;

use domain::identity::UserId;
use domain::instant::Instant;
use domain::user::{Account, EmailAddress, PasswordHash};
use secrecy::SecretString;

use crate::outcome::Failure;

/// Where accounts are looked up.
pub trait Accounts: Send + Sync {
    /// The account of an address.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_email(
        &self,
        email: &EmailAddress,
    ) -> impl Future<Output = Result<Option<Account>, Failure>> + Send;
}

/// Verifies passwords.
pub trait PasswordVerifier: Send + Sync {
    /// Whether the password is the hash's. Without a hash the answer is `false`, and it MUST cost the
    /// same time, so that no one can tell by the time whether an account exists (OWASP ASVS 6.3.8).
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be verified, of class `Permanent` if the hash is none.
    fn verify(
        &self,
        password: SecretString,
        hash: Option<&PasswordHash>,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// A token as it goes to its owner.
#[derive(Debug)]
pub struct AccessToken {
    /// What the owner sends with each request.
    pub token: SecretString,
    /// For how long it is good.
    pub expires_in: Duration,
}

/// Issues access tokens.
pub trait AccessTokenIssuer: Send + Sync {
    /// A token that says until some minutes after `now` that its bearer is the user.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be signed.
    fn issue(&self, user_id: UserId, now: Instant) -> Result<AccessToken, Failure>;
}

/// A token was not good. Why is for the log alone: all bad tokens are answered alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the access token is not good: {0}")]
pub struct InvalidToken(pub String);

/// A token could not be found good.
#[derive(Debug, thiserror::Error)]
pub enum VerifyTokenError {
    /// It is not good.
    #[error(transparent)]
    Invalid(#[from] InvalidToken),
    /// The key that it names couldn't be looked up.
    #[error("the token's key couldn't be looked up")]
    KeysUnavailable(#[source] Failure),
}

/// Verifies access tokens, after RFC 8725 and RFC 9068.
pub trait AccessTokenVerifier: Send + Sync {
    /// Whose token it is. It MUST refuse every algorithm, type, issuer and audience but the one
    /// expected, and every token that is not good at `now` by more than a minute's leeway.
    ///
    /// # Errors
    ///
    /// [`VerifyTokenError`]; never `Ok` when the key couldn't be looked up.
    fn verify(
        &self,
        token: &str,
        now: Instant,
    ) -> impl Future<Output = Result<UserId, VerifyTokenError>> + Send;
}

/// A public key of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationKey {
    /// Its name, which tokens carry.
    pub kid: String,
    /// The 32 bytes of an Ed25519 public key (RFC 8032).
    pub public_key: [u8; 32],
}

/// Where public keys are looked up.
pub trait VerificationKeys: Send + Sync {
    /// The key of that name, if there is one. The name comes from a token that nobody has verified
    /// yet: it MUST be used as a look-up key and as nothing else.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_kid(
        &self,
        kid: &str,
    ) -> impl Future<Output = Result<Option<VerificationKey>, Failure>> + Send;
}
