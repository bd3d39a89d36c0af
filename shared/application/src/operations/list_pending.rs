//! Lists the events that are not handled yet, whether or not they are due for the sweep.

use std::collections::HashSet;
use std::time::Duration;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::pending::PendingEvent;
use futures::StreamExt;
use futures::stream;

use crate::operations::listing::{Listing, Selection};
use crate::outcome::{Failure, FailureClass};
use crate::ports::Clock;
use crate::ports::pending::{PendingAggregates, PendingEventStore};

/// How many aggregates are read at once.
const READS_AT_ONCE: usize = 16;

/// An event that is pending in its aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvent {
    pub aggregate: AggregateKey,
    pub event_id: EventId,
    /// The event's type; `None` if newer code raised the event.
    pub event_type: Option<EventType>,
    /// The event's entry in the aggregate.
    pub entry: PendingEvent,
}

#[derive(Debug, Clone)]
pub struct ListPending<Index, Aggregates, Time> {
    pub index: Index,
    pub aggregates: Aggregates,
    pub clock: Time,
}

impl<Index, Aggregates, Time> ListPending<Index, Aggregates, Time>
where
    Index: PendingAggregates,
    Aggregates: PendingEventStore,
    Time: Clock,
{
    /// The events that have been pending for `older_than` or longer, the oldest first, at most
    /// `limit`. After each page, `progress` gets the number of such events so far.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not all events could be read.
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
        // An aggregate that the sweep moves while the pages are read may be listed twice.
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

    /// The pending events of an aggregate: none if they were handled since the index was read.
    /// `None` if the aggregate can't be read.
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
