//! Lists the events that are not handled yet, whatever the sweep thinks of them.

use std::collections::HashSet;
use std::time::Duration;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::pending::PendingEvent;
use futures::StreamExt;
use futures::stream;

use crate::listing::{Listing, Selection};
use crate::outcome::{Failure, FailureClass};
use crate::ports::Clock;
use crate::ports::pending::PendingEventStore;
use crate::ports::reading::PendingAggregates;

/// How many aggregates are read at once.
const READS_AT_ONCE: usize = 16;

/// An event that is pending in its aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvent {
    /// The aggregate that raised it.
    pub aggregate: AggregateKey,
    /// Which event.
    pub event_id: EventId,
    /// Its type; none if newer code raised it.
    pub event_type: Option<EventType>,
    /// What is known of it.
    pub entry: PendingEvent,
}

/// Lists pending events.
#[derive(Debug, Clone)]
pub struct ListPending<Index, Aggregates, Time> {
    /// Which aggregates have pending events.
    pub index: Index,
    /// The aggregates.
    pub aggregates: Aggregates,
    /// The wall clock.
    pub clock: Time,
}

impl<Index, Aggregates, Time> ListPending<Index, Aggregates, Time>
where
    Index: PendingAggregates,
    Aggregates: PendingEventStore,
    Time: Clock,
{
    /// The events that have been pending for `older_than` or longer, the oldest first, `limit` at
    /// most. After each page, `progress` gets how many there are so far.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they couldn't all be read.
    pub async fn oldest(
        &self,
        older_than: Duration,
        limit: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Listing<ListedEvent>, Failure> {
        let now = self.clock.now();
        let mut selection = Selection::new(limit, |a: &ListedEvent, b: &ListedEvent| {
            let by_id = || a.event_id.cmp(&b.event_id);
            a.entry.since.cmp(&b.entry.since).then_with(by_id)
        });
        // What the sweep moves on while the pages are read may come up twice.
        let mut listed = HashSet::new();
        let mut found = 0;
        let mut unreadable = 0;
        let mut after = None;
        loop {
            let page = self.index.page(after).await?;
            unreadable += page.unreadable;
            let reads = stream::iter(page.items).map(|key| self.pending_of(key));
            let mut reads = reads.buffered(READS_AT_ONCE);
            while let Some(read) = reads.next().await {
                let Some(events) = read? else {
                    unreadable += 1;
                    continue;
                };
                for event in events {
                    let is_old_enough = now.since(event.entry.since) >= older_than;
                    if is_old_enough && listed.insert(event.event_id) {
                        found += 1;
                        selection.add(event);
                    }
                }
            }
            progress(found);
            after = page.next;
            if after.is_none() {
                return Ok(selection.finish(unreadable));
            }
        }
    }

    /// What is pending of an aggregate: nothing, if it was handled since the index was read; `None`
    /// if it can't be read.
    async fn pending_of(&self, key: AggregateKey) -> Result<Option<Vec<ListedEvent>>, Failure> {
        let stored = match self.aggregates.find(key).await {
            Ok(stored) => stored,
            Err(failure) if failure.class == FailureClass::Permanent => {
                let error = &failure as &dyn std::error::Error;
                tracing::warn!(aggregate = %key, error, "an aggregate is unreadable");
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let Some(stored) = stored else { return Ok(Some(Vec::new())) };
        let events = stored.pending().iter().map(|(event_id, entry)| ListedEvent {
            aggregate: key,
            event_id,
            event_type: stored.event_type(event_id).ok(),
            entry: entry.clone(),
        });
        Ok(Some(events.collect()))
    }
}
