//! Events that no consumer has seen yet, and those that were given up.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, Settled};
use application::ports::{
    ClaimOutcome, DeadLetter, DeadLetters, DueEvent, Outbox, OverdueEvents, RecordedEvent,
    UnobservedEvents,
};
use domain::identity::EventId;
use domain::instant::Instant;

use super::MemoryTables;
use crate::fault::Operation;

impl Outbox for MemoryTables {
    async fn claim(&self, event_id: EventId, expected: Instant, until: Instant) -> ClaimOutcome {
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

    async fn mark_published(&self, event_id: EventId) -> Settled {
        self.change(Operation::MarkPublished, move |rows| {
            if let Some(stored) = rows.events.get_mut(&event_id) {
                stored.event.unpublished = false;
            }
        })
        .await
    }
}

impl UnobservedEvents for MemoryTables {
    async fn due(&self, now: Instant, limit: usize) -> Result<Vec<DueEvent>, Failure> {
        self.read(Operation::Due, |rows| {
            let unobserved = rows.events.iter().filter(|(_, stored)| stored.unobserved);
            let mut due: Vec<_> = unobserved
                .map(|(id, stored)| DueEvent { event_id: *id, sweep_due: stored.event.sweep_due })
                .filter(|due| due.sweep_due <= now)
                .collect();
            due.sort_by_key(|due| due.sweep_due);
            due.truncate(limit);
            due
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
    async fn any_overdue(&self, now: Instant, grace: Duration) -> Result<bool, Failure> {
        self.read(Operation::AnyOverdue, |rows| {
            let mut unobserved = rows.events.values().filter(|stored| stored.unobserved);
            unobserved.any(|stored| stored.event.sweep_due.plus(grace) < now)
        })
        .await
    }
}

impl DeadLetters for MemoryTables {
    async fn bury(&self, letter: &DeadLetter, _deadline: Deadline) -> Settled {
        let letter = letter.clone();
        self.change(Operation::Bury, move |rows| {
            let key =
                letter.event_id.map_or_else(|| letter.message_id.clone(), |id| id.to_string());
            if rows.dead_letters.contains_key(&key) {
                return;
            }
            let event = letter.event_id.and_then(|id| rows.events.get_mut(&id));
            if let Some(stored) = event {
                stored.unobserved = false;
            }
            rows.dead_letters.insert(key, letter);
        })
        .await
    }
}
