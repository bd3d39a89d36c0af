//! Moves events to the dead letters and back, together with the pending events of the aggregate.

use std::future::Future;

use super::DeadLetter;
use super::pending::AggregateChange;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{ItemReason, WriteTry};

/// Why a letter and its event were not moved.
#[derive(Debug, Clone)]
pub struct MoveCancelled {
    /// The letter. In a redrive its condition fails if it is gone, or is another letter of the same
    /// event. When a letter is recorded, it can only be busy.
    pub letter: ItemReason<()>,
    /// The aggregate. Its condition fails if it was changed meanwhile.
    pub aggregate: ItemReason<StoredAggregate>,
}

/// Gives events up, and makes them pending again.
pub trait DeadLetterMoves: Send + Sync {
    /// Makes one try, within `deadline`, to record a letter together with the end of its event in
    /// the aggregate, if the event is one of ours. It replaces a letter with the same id, which is
    /// of an earlier publication. Of a long body it MAY keep only the beginning. The aggregate does
    /// not expire then, because a redrive of the letter needs it.
    fn bury(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;

    /// Makes one try, within `deadline`, to remove a letter, if it is still the one that was read,
    /// and to make its event pending again in the aggregate.
    fn redrive(
        &self,
        letter: &DeadLetter,
        returns: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;
}
