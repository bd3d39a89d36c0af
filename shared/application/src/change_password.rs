//! Gives an account another password, which ends all other sessions and forgets all other sources.

use std::time::Duration;

use domain::user::{ActivityKind, PasswordFault, check_password};
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::guess_guard::{self, GuessGuard, NotNow};
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    AccountChange, AccountRepository, Accounts, Activity, ActivityLog, Bearer, ChangeCancelled,
    Clock, GuessRecords, GuessTarget, IdentitySource, KnownSourceRemoval, PasswordHasher, Sessions,
    Source, Whose,
};
use crate::settle::settle;
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
    D: Accounts + AccountRepository + ActivityLog + GuessRecords + KnownSourceRemoval + Sessions,
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
        let now_waits = self.admit(target, bearer, asked.source).await?;
        let hash = Some(account.password_hash());
        if !self.passwords.verify(asked.current, hash).await.map_err(unavailable)? {
            self.note_failure(bearer, asked.source, now_waits).await.map_err(unavailable)?;
            return Err(ChangePasswordError::WrongPassword);
        }
        self.guard.forgive(target).await;
        // Before the change, so that whoever is told of it can rely on both.
        self.users.forget_all_but(&account, asked.source).await.map_err(unavailable)?;
        let hash = self.passwords.hash(asked.new).await.map_err(unavailable)?;
        let attempt = self.identities.transaction_id();
        let change = AccountChange {
            account: &account.change_password(hash),
            attempt,
            keep: Some(bearer.session_id),
            activity: &self.activity(ActivityKind::PasswordChanged, bearer, asked.source),
        };
        let within = Deadline::after(LOCAL_TRANSACTION).or_earlier(deadline);
        let changed =
            settle(within, seed(attempt.as_uuid()), |within| self.users.change(&change, within));
        match changed.await.map_err(unavailable)? {
            Ok(()) => {
                let Bearer { user_id, session_id } = bearer;
                let user_id = user_id.get();
                tracing::info!(
                    user_id,
                    source = %asked.source,
                    %session_id,
                    "changed the password"
                );
                Ok(())
            }
            // What was verified is not what is there now; the client asks again.
            Err(ChangeCancelled::Stale | ChangeCancelled::Busy) => {
                let changed = "the account was changed meanwhile";
                Err(unavailable(Failure::new(FailureClass::Conflict, changed)))
            }
        }
    }

    async fn admit(
        &self,
        target: GuessTarget,
        bearer: Bearer,
        source: Source,
    ) -> Result<bool, NotNow> {
        let admitted = self.guard.admit(target, guess_guard::ACCOUNT).await;
        if let Err(NotNow::Wait(wait)) = &admitted {
            let (user_id, wait_s) = (bearer.user_id.get(), wait.as_secs());
            tracing::warn!(user_id, %source, wait_s, "a change of the password has to wait");
        }
        admitted
    }

    async fn note_failure(
        &self,
        bearer: Bearer,
        source: Source,
        now_waits: bool,
    ) -> Result<(), Failure> {
        let Bearer { user_id, session_id } = bearer;
        let whose = Whose::User(user_id);
        let user_id = user_id.get();
        tracing::warn!(user_id, %source, %session_id, "refused a change of the password");
        let failed = self.activity(ActivityKind::PasswordChangeFailed, bearer, source);
        self.users.record(whose, &failed).await?;
        if now_waits {
            tracing::warn!(
                user_id,
                %source,
                %session_id,
                "further changes of the password have to wait"
            );
            let locked = self.activity(ActivityKind::Locked, bearer, source);
            self.users.record(whose, &locked).await?;
        }
        Ok(())
    }

    fn activity(&self, kind: ActivityKind, bearer: Bearer, source: Source) -> Activity {
        Activity {
            id: self.identities.activity_id(),
            kind,
            at: self.clock.now(),
            source,
            session: Some(bearer.session_id),
        }
    }
}
