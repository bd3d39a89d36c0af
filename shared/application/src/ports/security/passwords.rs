use std::future::Future;

use domain::account::PasswordHash;
use secrecy::SecretString;

use crate::outcome::Failure;

/// Makes the hashes that are stored instead of passwords, and verifies passwords against them.
pub trait PasswordHasher: Send + Sync {
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
