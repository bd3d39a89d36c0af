//! Deletes an account: what it knows of a person is erased, its orders stay without it.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::pending::PendingEvent;

use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    AccountDeletion, AccountRemoval, Accounts, Bearer, Clock, IdentitySource, Sessions,
};
use crate::settle::settle;
use crate::show_account::{ShowAccount, ShowAccountError};

/// How long the local transaction may take, with all its tries.
const LOCAL_TRANSACTION: Duration = Duration::from_secs(3);

/// The use case with the ports it needs. `D` is everything that is stored.
pub struct DeleteAccount<D, N, K> {
    /// Whose account it is.
    pub show: ShowAccount<D, K>,
    /// Where accounts are stored.
    pub users: D,
    /// Makes identifiers.
    pub identities: N,
}

impl<D, N, K> DeleteAccount<D, N, K>
where
    D: Accounts + Sessions + AccountRemoval,
    N: IdentitySource,
    K: Clock,
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
    /// [`ShowAccountError`]
    pub async fn execute(
        &self,
        bearer: Bearer,
        traceparent: Option<String>,
        deadline: Deadline,
    ) -> Result<(), ShowAccountError> {
        let unavailable = ShowAccountError::Unavailable;
        let within = Deadline::after(LOCAL_TRANSACTION).or_earlier(deadline);
        while !within.has_passed() {
            let account = self.show.execute(bearer).await?;
            self.users.erase_traces(&account).await.map_err(unavailable)?;
            let stamp = EventStamp {
                event_id: self.identities.event_id(),
                schema_version: SCHEMA_VERSION,
                traceparent: traceparent.clone(),
            };
            let now = self.show.clock.now();
            let deletion = AccountDeletion {
                account: &account,
                event: &account.delete(now, stamp),
                // No broker is on the way: the sweep publishes it.
                pending: &PendingEvent::unsent(self.identities.transaction_id(), now),
            };
            let seed = account.user_id().get();
            let deleted = settle(within, seed, |within| self.users.delete(&deletion, within));
            if deleted.await.map_err(unavailable)?.is_ok() {
                tracing::info!(user_id = bearer.user_id.get(), "deleted an account");
                return Ok(());
            }
        }
        let busy = Failure::new(FailureClass::Conflict, "the account is changed all the time");
        Err(unavailable(busy))
    }
}
