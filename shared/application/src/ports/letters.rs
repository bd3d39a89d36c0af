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
    /// The letter. When it is to be removed, its condition fails if it is gone, or is another letter
    /// of the same event. When it is recorded, it can only be busy.
    pub letter: ItemReason<()>,
    /// The aggregate. Its condition fails if it was changed meanwhile.
    pub aggregate: ItemReason<StoredAggregate>,
}

/// Gives events up, and takes them out of the dead letters again.
pub trait DeadLetterMoves: Send + Sync {
    /// Makes one try, within `deadline`, to record a letter together with the end of its event in
    /// the aggregate, if the event is one of ours. It replaces a letter with the same id, which is
    /// of an earlier publication. Of a long body it MAY keep only the beginning. The aggregate does
    /// not expire while the letter is there, because a redrive needs it.
    fn bury(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;

    /// Makes one try, within `deadline`, to remove a letter, if it is still the one that was read,
    /// together with a change of the aggregate: its event is pending again, or stays ended. If
    /// nothing is pending in it then, it may expire.
    fn remove(
        &self,
        letter: &DeadLetter,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;
}
