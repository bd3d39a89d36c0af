use std::future::Future;

use domain::timestamp::Timestamp;
use secrecy::SecretString;

use crate::outcome::Failure;

/// Reads the private key that signs access tokens: a JSON Web Key (RFC 8037) in a place that only
/// those who sign with it or replace it can read.
pub trait SigningKeySource: Send + Sync {
    /// The key that signs now; `None` if there was never one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the key couldn't be read. The failure MUST NOT contain any part of the key.
    fn read(&self) -> impl Future<Output = Result<Option<SecretString>, Failure>> + Send;
}

/// Replaces the private key when keys are rotated.
pub trait SigningKeyStore: SigningKeySource {
    /// Replaces the key that signs. A concurrent read MUST return the old key or the new key, and
    /// never a mix.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not stored, or if that is unknown.
    fn replace(&self, key: &SecretString) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Makes Ed25519 key pairs (RFC 8032).
pub trait SigningKeyGenerator: Send + Sync {
    /// A new private key as [`SigningKeySource`] keeps it, and its public half.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn generate(&self) -> Result<(SecretString, VerificationKey), Failure>;
}

/// A public key of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationKey {
    /// Its name, which is in the header of its tokens.
    pub kid: String,
    /// The 32 bytes of an Ed25519 public key (RFC 8032).
    pub public_key: [u8; 32],
    /// From when on the key no longer verifies tokens: after it was replaced, once all of its
    /// tokens have expired. `None` until it is replaced.
    pub retires_at: Option<Timestamp>,
}

impl VerificationKey {
    /// Whether the key no longer verifies tokens at `now`.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        self.retires_at.is_some_and(|retires_at| retires_at <= now)
    }
}

/// Looks up the public key that verifies a token.
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

/// Stores public keys: each before its private half signs, and again when it is replaced.
pub trait VerificationKeyStore: PublishedKeys {
    /// Stores a key, or replaces the one with the same name.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not stored, or if that is unknown.
    fn put(&self, key: &VerificationKey) -> impl Future<Output = Result<(), Failure>> + Send;
}
