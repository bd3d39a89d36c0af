use std::future::Future;

use domain::account::{Account, UserEvent};
use domain::pending::PendingEvent;

use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};
use crate::ports::CancelledChange;

/// The local transaction of a deletion: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct AccountDeletion<'a> {
    /// The account as it was read.
    pub account: &'a Account,
    /// Its `UserDeleted`, whose pending entry is `pending`.
    pub event: &'a UserEvent,
    /// The pending entry of `event`.
    pub pending: &'a PendingEvent,
}

/// Deletes accounts in two steps: first the traces, then the account.
pub trait AccountRemoval: Send + Sync {
    /// Erases what is stored about a user outside the account: activities and known sources.
    ///
    /// # Errors
    ///
    /// [`Failure`] if something may not be erased; the call may be repeated.
    fn erase_traces(&self, account: &Account) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Makes one try, within `deadline`, to delete an account and its address. What stays contains
    /// no personal data: the user's number and the events, of which `UserDeleted` is pending. It
    /// MUST be conditional on the account's version. An account that is deleted already MUST be
    /// reported as [`AccountAtKey::Deleted`](crate::ports::AccountAtKey::Deleted).
    fn delete(
        &self,
        deletion: &AccountDeletion<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledChange>> + Send;
}
