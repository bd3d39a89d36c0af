use application::outcome::Failure;
use application::ports::{
    CheckAnswer, CheckBack, CheckBackHandler, FenceOutcome, TransactionLedger, TransactionState,
};
use domain::identity::{EventId, TransactionId};
use domain::instant::Instant;

use crate::tables::MemoryTables;

/// A part of the protocol that a run can do without, to see that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Check-backs are answered from the record of the attempt; without it each is answered COMMIT,
    /// as many examples do.
    Ledger,
    /// A rollback is made final by a record; without it a late transaction is stored all the same.
    Fence,
    /// What is lost on the broker's side is published again.
    Sweep,
    /// An effect is remembered with it; without it each delivery has its effect.
    Inbox,
}

/// A ledger whose fences stand for nothing.
#[derive(Clone)]
pub(super) struct WithoutFence(pub(super) MemoryTables);

impl TransactionLedger for WithoutFence {
    async fn state(&self, id: TransactionId) -> Result<Option<TransactionState>, Failure> {
        self.0.state(id).await
    }

    async fn attempt_that_recorded(
        &self,
        event_id: EventId,
    ) -> Result<Option<TransactionId>, Failure> {
        self.0.attempt_that_recorded(event_id).await
    }

    async fn fence(&self, _id: TransactionId, _expires_at: Instant) -> FenceOutcome {
        FenceOutcome::Won
    }
}

/// Answers every check with a commit.
pub(super) struct AlwaysCommit;

impl CheckBackHandler for AlwaysCommit {
    async fn answer(&self, _check: CheckBack) -> CheckAnswer {
        CheckAnswer::Commit
    }
}
