//! Sends every event since a moment again, after a broker has lost what it acknowledged.
//!
//! Events are selected by the time when they happened, which after an outage is earlier than the
//! time when they were published. There is no upper limit, because an event that is published
//! meanwhile only arrives twice.
//!
//! All aggregates are read, in several segments at the same time, because no index lists events by
//! time. A segment sends one event at a time. The events of one aggregate are sent in their order,
//! each after the one before it was acknowledged. Events of different aggregates are sent in any
//! order. The rate limits the load of the broker and its subscribers.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use domain::identity::EventId;
use domain::timestamp::Timestamp;
use futures::future::try_join_all;

use super::replay_sender::ReplaySender;
use crate::events::StoredAggregate;
use crate::events::publish::{PublishStored, SendError};
use crate::outcome::Failure;
use crate::ports::aggregates::{Segment, StoredAggregates};
use crate::ports::{Clock, IdentitySource, Topic, TransactionalPublisher};

#[derive(Debug, Clone)]
pub struct ReplaySince<Aggregates, Publisher, Time, Identities> {
    pub aggregates: Aggregates,
    pub publication: PublishStored<Publisher, Time>,
    pub identities: Identities,
    /// The most events that are sent per second.
    pub events_per_second: NonZeroU32,
}

/// The progress of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplaySummary {
    /// Aggregates that were read.
    pub aggregates: u64,
    /// Aggregates that exist but can't be read. Their events were not sent.
    pub unreadable: u64,
    /// Events since the moment, in the aggregates that were read.
    pub events: u64,
    /// Events that a broker has acknowledged.
    pub sent: u64,
    /// Events that can't be rebuilt, because newer code raised them.
    pub newer: u64,
}

/// Why a replay has stopped before its end. The replay may be repeated from the beginning: events
/// that were sent are sent again with the same `event_id`.
#[derive(Debug, thiserror::Error)]
pub enum ReplayStopped {
    #[error("not all aggregates could be read")]
    Unread(#[source] Failure),
    /// An event was not acknowledged for a minute.
    #[error("event {event_id} was not acknowledged")]
    Send {
        event_id: EventId,
        /// The error of the last try.
        #[source]
        cause: SendError,
    },
}

/// What the segments of a replay share.
struct Run<'a, Publisher, Time, Identities, Progress> {
    since: Timestamp,
    /// `None` for a dry run.
    sender: Option<ReplaySender<'a, Publisher, Time, Identities>>,
    summary: Mutex<ReplaySummary>,
    progress: &'a Progress,
}

impl<Publisher, Time, Identities, Progress: Fn(&ReplaySummary)>
    Run<'_, Publisher, Time, Identities, Progress>
{
    fn count(&self, change: impl FnOnce(&mut ReplaySummary)) {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut summary);
        (self.progress)(&summary);
    }

    fn summary(&self) -> ReplaySummary {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Aggregates, Publisher, Time, Identities> ReplaySince<Aggregates, Publisher, Time, Identities>
where
    Aggregates: StoredAggregates,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// How many events [`Self::run`] would send.
    ///
    /// # Errors
    ///
    /// [`ReplayStopped::Unread`]
    pub async fn count(
        &self,
        since: Timestamp,
        progress: impl Fn(&ReplaySummary),
    ) -> Result<ReplaySummary, ReplayStopped> {
        let (summary, ended) = self.replay_all(since, None, &progress).await;
        ended.map(|()| summary)
    }

    /// Sends every event since a moment. `progress` gets each change of the summary.
    ///
    /// Returns the summary even if the replay stops early.
    pub async fn run(
        &self,
        since: Timestamp,
        progress: impl Fn(&ReplaySummary),
    ) -> (ReplaySummary, Result<(), ReplayStopped>) {
        let sender = ReplaySender::new(&self.publication, &self.identities, self.events_per_second);
        self.replay_all(since, Some(sender), &progress).await
    }

    async fn replay_all<Progress: Fn(&ReplaySummary)>(
        &self,
        since: Timestamp,
        sender: Option<ReplaySender<'_, Publisher, Time, Identities>>,
        progress: &Progress,
    ) -> (ReplaySummary, Result<(), ReplayStopped>) {
        let run = Run { since, sender, summary: Mutex::default(), progress };
        let segments = Segment::of_topics(&Topic::ALL);
        let ended = try_join_all(segments.map(|segment| self.segment(segment, &run))).await;
        let ended = ended.map(drop);
        (run.summary(), ended)
    }

    async fn segment<Progress: Fn(&ReplaySummary)>(
        &self,
        segment: Segment,
        run: &Run<'_, Publisher, Time, Identities, Progress>,
    ) -> Result<(), ReplayStopped> {
        let mut after = None;
        loop {
            let page = self.aggregates.page(segment, after).await.map_err(ReplayStopped::Unread)?;
            run.count(|summary| summary.unreadable += page.unreadable);
            for stored in &page.items {
                self.replay(stored, run).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn replay<Progress: Fn(&ReplaySummary)>(
        &self,
        stored: &StoredAggregate,
        run: &Run<'_, Publisher, Time, Identities, Progress>,
    ) -> Result<(), ReplayStopped> {
        let events = stored.events_since(run.since);
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        run.count(|summary| {
            summary.aggregates += 1;
            summary.events += count;
        });
        for event_id in events {
            if let Err(error) = stored.event_type(event_id) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%event_id, error, "an event can't be sent by this code");
                run.count(|summary| summary.newer += 1);
            } else if let Some(sender) = &run.sender {
                let sent = sender.send(stored, event_id).await;
                sent.map_err(|cause| ReplayStopped::Send { event_id, cause })?;
                run.count(|summary| summary.sent += 1);
            }
        }
        Ok(())
    }
}
