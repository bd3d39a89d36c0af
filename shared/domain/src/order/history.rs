//! What became of an order, step by step.

use std::iter;

use super::OrderStatus;
use crate::event::EventStamp;
use crate::identity::EventId;
use crate::timestamp::Timestamp;

/// A status, when the order reached it, and how that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// What it became.
    pub status: OrderStatus,
    /// When the order reached it.
    pub at: Timestamp,
    /// The event that it raised.
    pub event: EventStamp,
}

/// Every status that an order reached, oldest first; at least CREATED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    first: StatusChange,
    later: Vec<StatusChange>,
}

impl History {
    /// A history that begins.
    pub const fn begin(at: Timestamp, event: EventStamp) -> Self {
        let first = StatusChange { status: OrderStatus::Created, at, event };
        Self { first, later: Vec::new() }
    }

    /// A stored history. `None` if no order can have it: it must begin with CREATED and take only
    /// steps that are allowed, and each event occurs once.
    pub fn rehydrate(changes: Vec<StatusChange>) -> Option<Self> {
        let steps = changes.is_sorted_by(|a, b| a.status.may_become(b.status));
        let mut changes = changes.into_iter();
        let first = changes.next().filter(|first| first.status == OrderStatus::Created)?;
        let history = Self { first, later: changes.collect() };
        let ids = |change: &StatusChange| change.event.event_id;
        let distinct = history.iter().enumerate().all(|(position, change)| {
            history.iter().take(position).all(|earlier| ids(earlier) != ids(change))
        });
        (steps && distinct).then_some(history)
    }

    /// How it began.
    pub const fn first(&self) -> &StatusChange {
        &self.first
    }

    /// How it stands.
    pub fn latest(&self) -> &StatusChange {
        self.later.last().unwrap_or(&self.first)
    }

    /// The changes, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &StatusChange> {
        iter::once(&self.first).chain(&self.later)
    }

    /// How many changes there are, which is the order's version.
    pub fn version(&self) -> u32 {
        u32::try_from(self.later.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The change that raised an event, and the order's version with it.
    pub fn change_of(&self, event_id: EventId) -> Option<(u32, &StatusChange)> {
        (1..).zip(self.iter()).find(|(_, change)| change.event.event_id == event_id)
    }

    pub(super) fn push(&mut self, change: StatusChange) {
        self.later.push(change);
    }

    /// The history as it was when the order was created.
    pub(super) fn beginning(&self) -> Self {
        Self { first: self.first.clone(), later: Vec::new() }
    }
}
