use std::future::Future;

use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use crate::outcome::Failure;

/// What is recorded of an attempt. Written once, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// Its local transaction is stored.
    Committed,
    /// A fence: its local transaction is not stored and can't be any more.
    Fenced,
}

/// What became of a fence.
#[derive(Debug)]
#[must_use]
pub enum FenceOutcome {
    /// It stands: whatever is still under way of the attempt will be cancelled.
    Won,
    /// The attempt has a record already.
    Lost,
    /// Nobody knows.
    Unknown(Failure),
}

/// The record of attempts.
pub trait TransactionLedger: Send + Sync {
    /// What is recorded of an attempt. It MUST be a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn state(
        &self,
        transaction_id: TransactionId,
    ) -> impl Future<Output = Result<Option<TransactionState>, Failure>> + Send;

    /// Which attempt recorded an event, if one did. It MUST be a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn attempt_that_recorded(
        &self,
        event_id: EventId,
    ) -> impl Future<Output = Result<Option<TransactionId>, Failure>> + Send;

    /// Records that an attempt is over without a commit, if nothing is recorded of it. The record
    /// MUST outlive the broker's memory of the half message; it is kept until `expires_at`.
    fn fence(
        &self,
        transaction_id: TransactionId,
        expires_at: Timestamp,
    ) -> impl Future<Output = FenceOutcome> + Send;
}
