//! Deletes an account: its personal data is erased, and its orders stay.

use contracts::event::SCHEMA_VERSION;
use domain::account::ActivityKind;
use domain::event::EventStamp;
use domain::pending::PendingEvent;
use secrecy::SecretString;

use crate::deadline::Deadline;
use crate::ports::{
    AccountDeletion, AccountRemoval, Accounts, ActivityLog, Bearer, Clock, GuessRecords,
    IdentitySource, PasswordHasher, Sessions, Source,
};
use crate::users::current_password::{CurrentPassword, Proof, ProtectedChangeError};
use crate::users::judging::judge_deletion;
use crate::users::settle::{Tries, settle};
use crate::users::show_account::ShowAccount;

pub struct DeleteAccount<Store, Passwords, Identities, Time> {
    pub show: ShowAccount<Store, Time>,
    pub current: CurrentPassword<Store, Passwords, Identities, Time>,
}

pub struct Deletion {
    /// The current password, as proof.
    pub password: SecretString,
    pub source: Source,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

impl<Store, Passwords, Identities, Time> DeleteAccount<Store, Passwords, Identities, Time>
where
    Store: Accounts + Sessions + AccountRemoval + ActivityLog + GuessRecords,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Deletes the bearer's account. First its activities and known sources are erased, so that the
    /// user can repeat a try that failed in between: without the account nobody could. Then the
    /// account and its address are deleted, in one transaction. Its number and its events stay, so
    /// that the events can be published again. Everything else expires with its time to live:
    /// sessions and tokens under the user's number, counts of guesses under a digest of the
    /// address, and what other requests write meanwhile.
    ///
    /// # Errors
    ///
    /// [`ProtectedChangeError`]
    pub async fn execute(
        &self,
        bearer: Bearer,
        request: Deletion,
        deadline: Deadline,
    ) -> Result<(), ProtectedChangeError> {
        let unavailable = ProtectedChangeError::Unavailable;
        let Deletion { password, source, traceparent } = request;
        let mut account = self.show.execute(bearer).await?;
        let failure = ActivityKind::AccountDeletionFailed;
        self.current.verify(&account, bearer, Proof { password, source, failure }).await?;
        let (users, identities) = (&self.current.users, &self.current.identities);
        let tries = Tries::by(deadline);
        loop {
            let within = tries.next().map_err(unavailable)?;
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
                pending: &PendingEvent::unsent(identities.transaction_id(), now),
            };
            let seed = account.user_id().get();
            let delete = |within| users.delete(&deletion, within);
            let deleted = settle(within, seed, delete, judge_deletion);
            if deleted.await.map_err(unavailable)?.is_stored() {
                break;
            }
            account = self.show.execute(bearer).await?;
        }
        tracing::info!(user_id = bearer.user_id.get(), "deleted an account");
        Ok(())
    }
}
