//! Outbox copies of events, above all of those that no consumer has seen yet.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use application::outcome::{Failure, Settled};
use application::ports::{
    ClaimOutcome, DueEvent, DueEvents, Outbox, OutboxCopy, OutboxReader, OverdueEvents, Page,
    PendingEvents, RecordedEvent, UnobservedEvents,
};
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use super::MemoryTables;
use super::rows::StoredEvent;
use crate::fault::Operation;

impl Outbox for MemoryTables {
    async fn claim(
        &self,
        event_id: EventId,
        expected: Timestamp,
        until: Timestamp,
    ) -> ClaimOutcome {
        let claimed = self
            .change_if(Operation::Claim, move |rows| match rows.events.get_mut(&event_id) {
                Some(stored) if stored.unobserved && stored.event.sweep_due == expected => {
                    stored.event.sweep_due = until;
                    true
                }
                _ => false,
            })
            .await;
        match claimed {
            Ok(true) => ClaimOutcome::Won,
            Ok(false) => ClaimOutcome::Lost,
            Err(failure) => ClaimOutcome::Unknown(failure),
        }
    }

    async fn mark_published(&self, event_id: EventId, transaction_id: TransactionId) -> Settled {
        self.change(Operation::MarkPublished, move |rows| {
            let stored = rows.events.get_mut(&event_id);
            if let Some(stored) = stored.filter(|s| s.event.transaction_id == transaction_id) {
                stored.event.unpublished = false;
            }
        })
        .await
    }
}

impl UnobservedEvents for MemoryTables {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<DueEvents, Failure> {
        self.read(Operation::Due, |rows| {
            let unobserved = rows.events.iter().filter(|(_, stored)| stored.unobserved);
            let mut due: Vec<_> = unobserved
                .map(|(id, stored)| DueEvent { event_id: *id, sweep_due: stored.event.sweep_due })
                .filter(|due| due.sweep_due <= now)
                .collect();
            due.sort_by_key(|due| due.sweep_due);
            due.truncate(limit);
            DueEvents { more: due.len() >= limit, events: due, unreadable: 0 }
        })
        .await
    }

    async fn find(&self, event_id: EventId) -> Result<Option<RecordedEvent>, Failure> {
        self.read(Operation::FindEvent, |rows| {
            let stored = rows.events.get(&event_id).filter(|stored| stored.unobserved);
            stored.map(|stored| stored.event.clone())
        })
        .await
    }
}

impl OverdueEvents for MemoryTables {
    async fn any_overdue(&self, now: Timestamp, grace: Duration) -> Result<bool, Failure> {
        self.read(Operation::AnyOverdue, |rows| {
            let mut unobserved = rows.events.values().filter(|stored| stored.unobserved);
            unobserved.any(|stored| stored.event.sweep_due.plus(grace) < now)
        })
        .await
    }
}

impl OutboxReader for MemoryTables {
    async fn find(&self, event_id: EventId) -> Result<Option<OutboxCopy>, Failure> {
        self.read(Operation::FindCopy, |rows| rows.events.get(&event_id).map(StoredEvent::copy))
            .await
    }
}

/// How many items a page has: few, so that tests meet more than one.
const PAGE: usize = 4;

/// The page of what comes after `after`, by its key.
pub(super) fn page_of<K: Ord + Clone, V: Clone>(
    all: &BTreeMap<K, V>,
    after: Option<K>,
) -> Page<V, K> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = all.range((start, Bound::Unbounded));
    let taken: Vec<_> = rest.by_ref().take(PAGE).collect();
    let last = taken.last().map(|(key, _)| (*key).clone());
    let items = taken.into_iter().map(|(_, value)| value.clone()).collect();
    Page { items, unreadable: 0, next: rest.next().and(last) }
}

impl PendingEvents for MemoryTables {
    type Position = EventId;

    async fn page(&self, after: Option<EventId>) -> Result<Page<RecordedEvent, EventId>, Failure> {
        let page = self.read(Operation::PageOfPending, |rows| page_of(&rows.events, after)).await?;
        let pending = page.items.iter().filter_map(|stored| stored.copy().unobserved());
        Ok(Page { items: pending.collect(), unreadable: page.unreadable, next: page.next })
    }
}
