use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::account::PasswordHash;
use domain::identity::{SessionId, UserId};
use domain::timestamp::Timestamp;
use secrecy::SecretString;

use crate::outcome::Failure;

/// Verifies passwords.
pub trait PasswordVerifier: Send + Sync {
    /// Whether the password matches the hash. Without a hash the answer is `false`, and it MUST
    /// take the same time, so that the time does not show whether an account exists (OWASP ASVS
    /// 6.3.8).
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be verified, of class `Permanent` if the hash is not a PHC
    /// string.
    fn verify(
        &self,
        password: SecretString,
        hash: Option<&PasswordHash>,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// Hashes passwords.
pub trait PasswordHasher: PasswordVerifier {
    /// The hash of a password, at the configured cost and with a new salt.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes or not enough memory.
    fn hash(
        &self,
        password: SecretString,
    ) -> impl Future<Output = Result<PasswordHash, Failure>> + Send;

    /// Whether a hash was made at a lower cost than the configured one.
    fn is_outdated(&self, hash: &PasswordHash) -> bool;
}

/// An access token as the client gets it.
#[derive(Debug)]
pub struct AccessToken {
    /// The token, sent with each request.
    pub token: SecretString,
    /// How long it is good.
    pub expires_in: Duration,
}

/// Issues access tokens.
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

/// The user and the session that an access token identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The user's number.
    pub user_id: UserId,
    /// The session in which the token was issued.
    pub session_id: SessionId,
}

/// Reads the private key that signs access tokens: a JSON Web Key (RFC 8037) in a place that only
/// those who sign with it or replace it can read.
pub trait SigningKeySource: Send + Sync {
    /// The key that signs now; `None` if there was never one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read. It MUST NOT contain any part of the key.
    fn read(&self) -> impl Future<Output = Result<Option<SecretString>, Failure>> + Send;
}

/// Replaces the private key.
pub trait SigningKeyStore: SigningKeySource {
    /// Replaces the key that signs. A concurrent read MUST return the old key or the new key, and
    /// never a mix.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not stored, or if that is unknown.
    fn replace(&self, key: &SecretString) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Makes key pairs.
pub trait SigningKeyGenerator: Send + Sync {
    /// A new private key as [`SigningKeySource`] keeps it, and its public half.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn generate(&self) -> Result<(SecretString, VerificationKey), Failure>;
}

/// Makes the secrets of refresh tokens, which nobody can guess.
pub trait RefreshTokenSource: Send + Sync {
    /// The secret of a new token: 256 bits from the operating system, in 43 characters of
    /// base64url.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn secret(&self) -> Result<SecretString, Failure>;

    /// The secret of a token's successor. With the same salt it is always the same. Without the
    /// token nobody can compute it, not even from the token's hash.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it can't be computed.
    fn successor(&self, token: &SecretString, salt: &str) -> Result<SecretString, Failure>;
}

/// Why a token is not good, for the log alone: the answer is the same for all bad tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid access token: {0}")]
pub struct InvalidToken(pub String);

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyTokenError {
    /// The token is not good.
    #[error(transparent)]
    Invalid(#[from] InvalidToken),
    /// The key that the token names couldn't be looked up.
    #[error("the token's key couldn't be looked up")]
    KeysUnavailable(#[source] Failure),
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

/// A public key of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationKey {
    /// Its name, which is in the header of its tokens.
    pub kid: String,
    /// The 32 bytes of an Ed25519 public key (RFC 8032).
    pub public_key: [u8; 32],
    /// From when on it no longer verifies tokens: after it was replaced, once all of its tokens
    /// have expired. `None` until then.
    pub retires_at: Option<Timestamp>,
}

impl VerificationKey {
    /// Whether it no longer verifies tokens at `now`.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        self.retires_at.is_some_and(|retires_at| retires_at <= now)
    }
}

/// Lists the public keys, for those who verify tokens elsewhere.
pub trait PublishedKeys: Send + Sync {
    /// Every key that verifies at `now`. A record that is not a key is skipped.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the table couldn't be read.
    fn all(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<VerificationKey>, Failure>> + Send;
}

/// Stores public keys.
pub trait VerificationKeyStore: PublishedKeys {
    /// Stores a key, or replaces the one with the same name.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not stored, or if that is unknown.
    fn put(&self, key: &VerificationKey) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Looks up public keys.
pub trait VerificationKeys: Send + Sync {
    /// The key with this name, if there is one. The name comes from a token that is not verified
    /// yet: it MUST be used only to look up the key.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_kid(
        &self,
        kid: &str,
    ) -> impl Future<Output = Result<Option<VerificationKey>, Failure>> + Send;
}
