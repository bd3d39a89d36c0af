//! Gives an account another password, which ends all other sessions.

use std::time::Duration;

use domain::user::{ActivityKind, PasswordFault, check_password};
use secrecy::{ExposeSecret, SecretString};

use crate::deadline::Deadline;
use crate::guess_guard::{self, GuessGuard, NotNow};
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    AccountChange, AccountRepository, Accounts, Activity, Bearer, ChangeCancelled, Clock,
    GuessRecords, GuessTarget, IdentitySource, PasswordHasher, Sessions, Source,
};
use crate::settle::{seed, settle};
use crate::show_account::{ShowAccount, ShowAccountError};

/// How long the local transaction may take, with all its tries.
const LOCAL_TRANSACTION: Duration = Duration::from_secs(3);

/// The use case with the ports it needs. `D` is everything that is stored.
pub struct ChangePassword<D, P, N, K> {
    /// Whose account it is.
    pub show: ShowAccount<D, K>,
    /// Where accounts are stored.
    pub users: D,
    /// Counts guesses at the password as it is: a stolen access token is no reason to let them run.
    pub guard: GuessGuard<D, K>,
    /// Verifies and hashes passwords.
    pub passwords: P,
    /// Makes identifiers.
    pub identities: N,
    /// The wall clock.
    pub clock: K,
}

/// What is asked for.
pub struct NewPassword {
    /// The password as it is.
    pub current: SecretString,
    /// The password as it shall be.
    pub new: SecretString,
    /// Where the request came from.
    pub source: Source,
}

/// The password stays as it is, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The new one may not be one.
    #[error("the new password may not be one")]
    Fault(#[from] PasswordFault),
    /// The current one is another.
    #[error("the current password is another")]
    WrongPassword,
    /// The session has ended.
    #[error("the session has ended")]
    SessionOver,
    /// There were too many guesses.
    #[error("too many guesses")]
    TooMany(Duration),
    /// It could not be stored, or nobody knows whether it was.
    #[error("no password can be changed right now")]
    Unavailable(#[source] Failure),
}

impl From<NotNow> for ChangePasswordError {
    fn from(not_now: NotNow) -> Self {
        match not_now {
            NotNow::Wait(wait) => Self::TooMany(wait),
            NotNow::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl From<ShowAccountError> for ChangePasswordError {
    fn from(error: ShowAccountError) -> Self {
        match error {
            ShowAccountError::SessionOver => Self::SessionOver,
            ShowAccountError::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl<D, P, N, K> ChangePassword<D, P, N, K>
where
    D: Accounts + Sessions + AccountRepository + GuessRecords,
    P: PasswordHasher,
    N: IdentitySource,
    K: Clock,
{
    /// Changes the password.
    ///
    /// # Errors
    ///
    /// [`ChangePasswordError`]
    pub async fn execute(
        &self,
        bearer: Bearer,
        asked: NewPassword,
        deadline: Deadline,
    ) -> Result<(), ChangePasswordError> {
        let unavailable = ChangePasswordError::Unavailable;
        let account = self.show.execute(bearer).await?;
        check_password(asked.new.expose_secret(), account.email())?;
        let target = GuessTarget::Owner(bearer.user_id);
        self.guard.admit(target, guess_guard::ACCOUNT).await?;
        let hash = Some(account.password_hash());
        if !self.passwords.verify(asked.current, hash).await.map_err(unavailable)? {
            tracing::warn!(user_id = bearer.user_id.get(), "refused a change of the password");
            return Err(ChangePasswordError::WrongPassword);
        }
        self.guard.forgive(target).await;
        let hash = self.passwords.hash(asked.new).await.map_err(unavailable)?;
        let attempt = self.identities.transaction_id();
        let change = AccountChange {
            account: &account.change_password(hash),
            attempt,
            keep: Some(bearer.session_id),
            activity: &Activity {
                id: self.identities.activity_id(),
                kind: ActivityKind::PasswordChanged,
                at: self.clock.now(),
                source: asked.source,
                session: Some(bearer.session_id),
            },
        };
        let within = Deadline::after(LOCAL_TRANSACTION).or_earlier(deadline);
        let changed =
            settle(within, seed(attempt.as_uuid()), |within| self.users.change(&change, within));
        match changed.await.map_err(unavailable)? {
            Ok(()) => {
                let user_id = bearer.user_id.get();
                tracing::info!(user_id, source = %asked.source, "changed the password");
                Ok(())
            }
            // What was verified is not what is there now; the client asks again.
            Err(ChangeCancelled::Stale | ChangeCancelled::Busy) => {
                let changed = "the account was changed meanwhile";
                Err(unavailable(Failure::new(FailureClass::Conflict, changed)))
            }
        }
    }
}
