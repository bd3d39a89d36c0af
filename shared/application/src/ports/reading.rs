//! Aggregates as the health check and operators look at them: many at once, to be read and not to be
//! changed.

use std::future::Future;

use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;

use super::{Page, Topic};
use crate::events::StoredAggregate;
use crate::outcome::Failure;

/// How long events have been pending.
pub trait PendingEventAges: Send + Sync {
    /// Whether an event is pending since before `at`. It MAY be a few seconds out of date, and MAY
    /// count an event that was handled since the sweep looked at its aggregate last.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn any_pending_before(
        &self,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// Which aggregates have pending events.
pub trait PendingAggregates: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A page of all aggregates with pending events, due or not, in no order: the first, or the one
    /// that begins where another ends. It MAY be a few seconds out of date. The pages together MUST
    /// name every aggregate that was there all the while, and MAY name one twice that the sweep has
    /// moved on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<AggregateKey, Self::Position>, Failure>> + Send;
}

/// A part of all aggregates: several can be read side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Of the aggregates that raise the events of this topic.
    pub topic: Topic,
    /// Which part, from 0.
    pub index: u16,
    /// Of how many, from 1.
    pub of: u16,
}

/// All aggregates.
pub trait StoredAggregates: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A page of a segment, in no order: the first, or the one that begins where another ends. It
    /// MUST be a consistent read. Each aggregate MUST be in one segment alone, and the pages together
    /// MUST come to each that was there all the while. A tombstone is no aggregate.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        segment: Segment,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<StoredAggregate, Self::Position>, Failure>> + Send;
}
