//! Changes an account's password, which ends all other sessions and forgets all other sources.

use domain::account::{ActivityKind, PasswordFault, check_password};
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    AccountChange, AccountRepository, Accounts, ActivityLog, Bearer, Clock, GuessRecords,
    IdentitySource, KnownSourceRemoval, PasswordHasher, Sessions, Source,
};
use crate::users::current_password::{CurrentPassword, Proof, ProtectedChangeError};
use crate::users::judging::{Settled, Stale, judge_change};
use crate::users::settle::settle;
use crate::users::show_account::ShowAccount;

pub struct ChangePassword<Store, Passwords, Identities, Time> {
    pub show: ShowAccount<Store, Time>,
    pub current: CurrentPassword<Store, Passwords, Identities, Time>,
}

pub struct NewPassword {
    /// The current password, as proof.
    pub current: SecretString,
    pub new: SecretString,
    pub source: Source,
}

/// The password was not changed, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("new password not allowed")]
    Fault(#[from] PasswordFault),
    #[error(transparent)]
    Refused(#[from] ProtectedChangeError),
}

impl<Store, Passwords, Identities, Time> ChangePassword<Store, Passwords, Identities, Time>
where
    Store:
        Accounts + AccountRepository + ActivityLog + GuessRecords + KnownSourceRemoval + Sessions,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Changes the password of the bearer's account.
    ///
    /// # Errors
    ///
    /// [`ChangePasswordError`]
    pub async fn execute(
        &self,
        bearer: Bearer,
        request: NewPassword,
        deadline: Deadline,
    ) -> Result<(), ChangePasswordError> {
        let unavailable = ProtectedChangeError::Unavailable;
        let account = self.show.execute(bearer).await.map_err(ProtectedChangeError::from)?;
        check_password(request.new.expose_secret(), account.email())?;
        let NewPassword { current: password, new, source } = request;
        let failure = ActivityKind::PasswordChangeFailed;
        self.current.verify(&account, bearer, Proof { password, source, failure }).await?;
        let users = &self.current.users;
        // Before the change, so that a success means that both are done.
        users.forget_all_except(&account, Some(source)).await.map_err(unavailable)?;
        let hash = self.current.passwords.hash(new).await.map_err(unavailable)?;
        let attempt = self.current.identities.transaction_id();
        let change = AccountChange {
            account: &account.change_password(hash),
            attempt,
            keep: Some(bearer.session_id),
            activity: &self.current.activity(ActivityKind::PasswordChanged, bearer, source),
        };
        let store = |within| users.change(&change, within);
        let judge = |met: &_| judge_change(met, attempt);
        let changed = settle(deadline, seed(attempt.as_uuid()), store, judge);
        match changed.await.map_err(unavailable)? {
            Settled::Stored => {
                let Bearer { user_id, session_id } = bearer;
                let user_id = user_id.get();
                tracing::info!(
                    user_id,
                    %source,
                    %session_id,
                    "changed the password"
                );
                Ok(())
            }
            // The account is no longer the one that was verified; the client tries again.
            Settled::Refused(Stale) => {
                let changed = "the account was changed meanwhile";
                Err(unavailable(Failure::new(FailureClass::Conflict, changed)).into())
            }
        }
    }
}
