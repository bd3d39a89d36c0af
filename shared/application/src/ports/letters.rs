//! Into the dead letters and out of them, together with what is pending in the aggregate.

use std::future::Future;

use super::DeadLetter;
use super::pending::AggregateChange;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{ItemReason, WriteTry};

/// Why a letter and its event did not move.
#[derive(Debug, Clone)]
pub struct MoveCancelled {
    /// The letter, on its way out: it is not there any more, or is another one of the same event. On
    /// its way in nothing but a busy item stands against it.
    pub letter: ItemReason<()>,
    /// The aggregate was changed meanwhile.
    pub aggregate: ItemReason<StoredAggregate>,
}

/// Where events are given up, and come back from.
pub trait DeadLetterMoves: Send + Sync {
    /// Makes one try, within `deadline`, to record a letter together with the end of its event in
    /// the aggregate, if the event is one of ours. A letter of its id that is there is replaced: it
    /// is of an earlier publication. Of a long body it MAY keep the beginning alone. The aggregate
    /// does not expire: the letter leads back to it.
    fn bury(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;

    /// Makes one try, within `deadline`, to remove a letter, if it is still the one that was read,
    /// together with its event's return to the aggregate.
    fn redrive(
        &self,
        letter: &DeadLetter,
        returns: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;
}
