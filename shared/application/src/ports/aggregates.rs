//! All aggregates, whether or not something is pending in them.

use std::future::Future;

use super::{Page, Topic};
use crate::events::StoredAggregate;
use crate::outcome::Failure;

/// A part of all aggregates. Several parts can be read at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The topic of the aggregates' events.
    pub topic: Topic,
    /// The number of the part, from 0.
    pub index: u16,
    /// How many parts there are, at least 1.
    pub count: u16,
}

impl Segment {
    /// How many segments of each topic's aggregates are read at the same time.
    const AT_ONCE: u16 = 4;

    /// The segments that together are all aggregates of these topics.
    pub fn of_topics(topics: &[Topic]) -> impl Iterator<Item = Self> {
        topics.iter().flat_map(|topic| {
            (0..Self::AT_ONCE).map(|index| Self { topic: *topic, index, count: Self::AT_ONCE })
        })
    }
}

/// Reads all aggregates, for a replay.
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
