//! Exchanges an address and a password for an access token.

use domain::user::EmailAddress;
use secrecy::SecretString;

use crate::outcome::Failure;
use crate::ports::{AccessToken, AccessTokenIssuer, Accounts, Clock, PasswordVerifier};

/// The use case with the ports it needs.
pub struct LogIn<A, P, T, K> {
    /// Where accounts are looked up.
    pub accounts: A,
    /// Verifies passwords.
    pub passwords: P,
    /// Issues tokens.
    pub tokens: T,
    /// The wall clock.
    pub clock: K,
}

/// Nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// There is no such account, or the password is another. Which of the two is nobody's business.
    #[error("the address and the password don't belong together")]
    WrongCredentials,
    /// The account couldn't be looked up or the password not verified.
    #[error("nobody can log in right now")]
    Unavailable(#[source] Failure),
}

impl<A: Accounts, P: PasswordVerifier, T: AccessTokenIssuer, K: Clock> LogIn<A, P, T, K> {
    /// Logs in. Every wrong pair costs the same time, whether or not there is such an account, and
    /// whether or not the text is an address at all.
    ///
    /// # Errors
    ///
    /// [`LogInError`]
    pub async fn execute(
        &self,
        email: &str,
        password: SecretString,
    ) -> Result<AccessToken, LogInError> {
        let account = match EmailAddress::parse(email) {
            Ok(email) => self.accounts.by_email(&email).await.map_err(LogInError::Unavailable)?,
            Err(_) => None,
        };
        let hash = account.as_ref().map(|account| &account.password_hash);
        let verified =
            self.passwords.verify(password, hash).await.map_err(LogInError::Unavailable)?;
        match account {
            Some(account) if verified => {
                tracing::info!(user_id = account.user_id.get(), "logged in");
                self.tokens
                    .issue(account.user_id, self.clock.now())
                    .map_err(LogInError::Unavailable)
            }
            account => {
                let user_id = account.map(|account| account.user_id.get());
                tracing::warn!(user_id, "refused a login");
                Err(LogInError::WrongCredentials)
            }
        }
    }
}
