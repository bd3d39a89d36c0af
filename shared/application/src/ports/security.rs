use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::identity::{SessionId, UserId};
use domain::timestamp::Timestamp;
use domain::user::PasswordHash;
use secrecy::SecretString;

use crate::outcome::Failure;

/// Verifies passwords.
pub trait PasswordVerifier: Send + Sync {
    /// Whether the password is the hash's. Without a hash the answer is `false`, and it MUST cost
    /// the same time, so that no one can tell by the time whether an account exists (OWASP ASVS
    /// 6.3.8).
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

/// Hashes passwords.
pub trait PasswordHasher: PasswordVerifier {
    /// A password's hash, at the configured cost and under a new salt.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes or not enough memory.
    fn hash(
        &self,
        password: SecretString,
    ) -> impl Future<Output = Result<PasswordHash, Failure>> + Send;

    /// Whether a hash took less work than one of the configured cost does.
    fn is_outdated(&self, hash: &PasswordHash) -> bool;
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
    /// A token that says until some minutes after `now` that its bearer is the user, in that
    /// session.
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
impl<T: AccessTokenIssuer> AccessTokenIssuer for Arc<T> {
    async fn issue(&self, bearer: Bearer, now: Timestamp) -> Result<AccessToken, Failure> {
        self.as_ref().issue(bearer, now).await
    }
}

/// Who a token says that its bearer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
}

/// Where the private key is kept that signs access tokens: a JSON Web Key (RFC 8037) in a place
/// that only those who sign, and who replace it, can read.
pub trait SigningKeySource: Send + Sync {
    /// The key that signs now; none as long as there was never one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read. It tells nothing of what was read.
    fn read(&self) -> impl Future<Output = Result<Option<SecretString>, Failure>> + Send;
}

/// Where the private key is replaced.
pub trait SigningKeyStore: SigningKeySource {
    /// Puts a key in the place of the one that signed. Whoever reads meanwhile MUST get the one or
    /// the other as a whole.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not known to be stored; it may be.
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

/// Makes what nobody can guess of refresh tokens.
pub trait RefreshTokenSource: Send + Sync {
    /// A new token's secret: 256 bits from the operating system, in 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn secret(&self) -> Result<SecretString, Failure>;

    /// The secret that follows a token: with the same salt always the same, and without the token
    /// nobody can tell it, not even by the token's hash.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there can be none.
    fn successor(&self, token: &SecretString, salt: &str) -> Result<SecretString, Failure>;
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
    /// Who its bearer is. It MUST refuse every algorithm, type, issuer and audience but the one
    /// expected, and every token that is not good at `now` by more than a minute's leeway.
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
    /// Its name, which tokens carry.
    pub kid: String,
    /// The 32 bytes of an Ed25519 public key (RFC 8032).
    pub public_key: [u8; 32],
    /// From when on it verifies nothing any more: once it was replaced, and all of its tokens have
    /// expired. None as long as it signs.
    pub retires_at: Option<Timestamp>,
}

impl VerificationKey {
    /// Whether it verifies nothing any more at `now`.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        self.retires_at.is_some_and(|retires_at| retires_at <= now)
    }
}

/// All public keys, for those who verify tokens elsewhere.
pub trait PublishedKeys: Send + Sync {
    /// Every key that verifies at `now`. A record that is none of a key is left out.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the table couldn't be read.
    fn all(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<VerificationKey>, Failure>> + Send;
}

/// Where public keys are stored.
pub trait VerificationKeyStore: PublishedKeys {
    /// Stores a key, over one of its name.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not known to be stored.
    fn put(&self, key: &VerificationKey) -> impl Future<Output = Result<(), Failure>> + Send;
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
