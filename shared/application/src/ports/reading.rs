//! Reading many aggregates at once, for the health check and for operators.

use std::future::Future;

use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;

use super::{Page, Topic};
use crate::events::StoredAggregate;
use crate::outcome::Failure;

/// How long events have been pending.
pub trait PendingEventAges: Send + Sync {
    /// Whether an event has been pending since before `at`. It MAY be a few seconds out of date,
    /// and MAY count an event that was handled after the sweep looked at its aggregate last.
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

    /// A page of all aggregates with pending events, due or not, in no order: the first page, or
    /// the one that begins where another ends. It MAY be a few seconds out of date. The pages
    /// together MUST contain every aggregate that was listed all the time, and MAY contain an
    /// aggregate twice that the sweep has moved meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<AggregateKey, Self::Position>, Failure>> + Send;
}

/// A part of all aggregates. Several parts can be read at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The topic of the aggregates' events.
    pub topic: Topic,
    /// The number of the part, from 0.
    pub index: u16,
    /// The number of all parts, from 1.
    pub of: u16,
}

/// Reads all aggregates.
pub trait StoredAggregates: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A page of a segment, in no order: the first page, or the one that begins where another ends.
    /// It MUST be a consistent read. Each aggregate MUST be in exactly one segment, and the pages
    /// together MUST contain each aggregate that existed all the time. A tombstone is not an
    /// aggregate.
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
