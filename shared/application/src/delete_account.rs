//! Deletes an account: what it knows of a person is erased, its orders stay without it.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::pending::PendingEvent;
use domain::user::ActivityKind;
use secrecy::SecretString;

use crate::current_password::{CurrentPassword, NotProven, Proof};
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    AccountDeletion, AccountRemoval, Accounts, ActivityLog, Bearer, Clock, GuessRecords,
    IdentitySource, PasswordHasher, Sessions, Source,
};
use crate::settle::settle;
use crate::show_account::{ShowAccount, ShowAccountError};

/// How long the local transaction may take, with all its tries.
const LOCAL_TRANSACTION: Duration = Duration::from_secs(3);

/// Deletes accounts.
pub struct DeleteAccount<Users, Passwords, Identities, Time> {
    /// Whose account it is.
    pub show: ShowAccount<Users, Time>,
    /// Verifies the password.
    pub current: CurrentPassword<Users, Passwords, Identities, Time>,
}

/// What is asked for.
pub struct Deletion {
    /// The current one, as proof.
    pub password: SecretString,
    /// Where the request came from.
    pub source: Source,
    /// W3C Trace Context.
    pub traceparent: Option<String>,
}

/// The account is there, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The password is another: the guess is counted, and nothing is deleted.
    #[error("the current password is another")]
    WrongPassword,
    /// The bearer's session has ended, so nothing is deleted.
    #[error("the session has ended")]
    SessionOver,
    /// There were too many guesses.
    #[error("too many guesses")]
    TooMany(Duration),
    /// It could not be deleted, or nobody knows whether it was.
    #[error("no account can be deleted right now")]
    Unavailable(#[source] Failure),
}

impl From<NotProven> for DeleteAccountError {
    fn from(error: NotProven) -> Self {
        match error {
            NotProven::WrongPassword => Self::WrongPassword,
            NotProven::TooMany(wait) => Self::TooMany(wait),
            NotProven::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl From<ShowAccountError> for DeleteAccountError {
    fn from(error: ShowAccountError) -> Self {
        match error {
            ShowAccountError::SessionOver => Self::SessionOver,
            ShowAccountError::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl<Users, Passwords, Identities, Time> DeleteAccount<Users, Passwords, Identities, Time>
where
    Users: Accounts + Sessions + AccountRemoval + ActivityLog + GuessRecords,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Deletes the bearer's account. First its traces, so that a try that fails on the way can be
    /// repeated by its owner; the other way round, nobody could who is allowed to. Then the account
    /// with its address, in one transaction. Of the account its number and its events stay, so that
    /// these can be published again. What else is left behind expires with its time to live: sessions
    /// and tokens under the user's number, counts of guesses under a digest of the address, and what
    /// others' requests write meanwhile.
    ///
    /// # Errors
    ///
    /// [`DeleteAccountError`]
    pub async fn execute(
        &self,
        bearer: Bearer,
        asked: Deletion,
        deadline: Deadline,
    ) -> Result<(), DeleteAccountError> {
        let unavailable = DeleteAccountError::Unavailable;
        let Deletion { password, source, traceparent } = asked;
        let mut account = self.show.execute(bearer).await?;
        let failure = ActivityKind::AccountDeletionFailed;
        self.current.verify(&account, bearer, Proof { password, source, failure }).await?;
        let (users, identities) = (&self.current.users, &self.current.identities);
        let within = Deadline::after(LOCAL_TRANSACTION).or_earlier(deadline);
        while !within.has_passed() {
            users.erase_traces(&account).await.map_err(unavailable)?;
            let stamp = EventStamp {
                event_id: identities.event_id(),
                schema_version: SCHEMA_VERSION,
                traceparent: traceparent.clone(),
            };
            let now = self.show.clock.now();
            let deletion = AccountDeletion {
                account: &account,
                event: &account.delete(now, stamp),
                // No broker is on the way: the sweep publishes it.
                pending: &PendingEvent::unsent(identities.transaction_id(), now),
            };
            let seed = account.user_id().get();
            let deleted = settle(within, seed, |within| users.delete(&deletion, within));
            if deleted.await.map_err(unavailable)?.is_ok() {
                tracing::info!(user_id = bearer.user_id.get(), "deleted an account");
                return Ok(());
            }
            account = self.show.execute(bearer).await?;
        }
        let busy = Failure::new(FailureClass::Conflict, "the account is changed all the time");
        Err(unavailable(busy))
    }
}
