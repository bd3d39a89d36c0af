//! The history of an order's status.

use std::iter;

use super::{OpenPeriod, OrderStatus};
use crate::event::EventStamp;
use crate::identity::EventId;
use crate::timestamp::Timestamp;

/// A status, when the order reached it, and the event that the change raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    pub status: OrderStatus,
    pub at: Timestamp,
    pub event: EventStamp,
    /// The period in which the order's units count as its account's open ones. Only CONFIRMED has
    /// one, and only if units were counted when the order was confirmed.
    pub open_period: Option<OpenPeriod>,
}

/// Every status that an order reached, oldest first; at least CREATED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    first: StatusChange,
    later: Vec<StatusChange>,
}

impl History {
    /// The history of a new order: CREATED alone.
    pub const fn begin(at: Timestamp, event: EventStamp) -> Self {
        let first = StatusChange { status: OrderStatus::Created, at, event, open_period: None };
        Self { first, later: Vec::new() }
    }

    /// A stored history. `None` if it breaks a rule: it must begin with CREATED and make only
    /// allowed changes, each event must occur once, and only CONFIRMED may count units.
    pub fn rehydrate(changes: Vec<StatusChange>) -> Option<Self> {
        let steps = changes.is_sorted_by(|a, b| a.status.may_become(b.status));
        let mut changes = changes.into_iter();
        let first = changes.next().filter(|first| first.status == OrderStatus::Created)?;
        let history = Self { first, later: changes.collect() };
        let id_of = |change: &StatusChange| change.event.event_id;
        let distinct = history.iter().enumerate().all(|(position, change)| {
            history.iter().take(position).all(|earlier| id_of(earlier) != id_of(change))
        });
        let counted = history
            .iter()
            .all(|change| change.open_period.is_none() || change.status == OrderStatus::Confirmed);
        (steps && distinct && counted).then_some(history)
    }

    /// The first change, to CREATED.
    pub const fn first(&self) -> &StatusChange {
        &self.first
    }

    /// The latest change, which gives the order's status.
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
