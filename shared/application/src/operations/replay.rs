//! Sends events again, rebuilt from their aggregates, for subscribers that missed them because a
//! broker lost them.
//!
//! Each event is rebuilt in the version in which it was first published, with the same `event_id`:
//! a subscriber that already has it sees a duplicate. Our own group acknowledges what is no longer
//! pending.

use std::num::NonZeroU32;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;

use super::replay_sender::ReplaySender;
use crate::events::StoredAggregate;
use crate::events::publish::{PublishStored, SendError};
use crate::outcome::Failure;
use crate::ports::pending::PendingEventStore;
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

#[derive(Debug, Clone)]
pub struct Replay<Aggregates, Publisher, Time, Identities> {
    pub aggregates: Aggregates,
    pub publication: PublishStored<Publisher, Time>,
    pub identities: Identities,
    /// The most events that are sent per second.
    pub events_per_second: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayedEvent {
    pub aggregate: AggregateKey,
    pub event_id: EventId,
    /// The event's type; `None` if newer code raised the event, so that it can't be sent.
    pub event_type: Option<EventType>,
    /// Whether the event is still pending in its aggregate: then our own group handles it as well.
    pub is_pending: bool,
}

/// Some events may not be on their topic again. The replay may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no {0}")]
    NotFound(AggregateKey),
    #[error("{0} has raised no such event")]
    NotRaised(AggregateKey),
    #[error("{aggregate} could not be read")]
    Unread {
        aggregate: AggregateKey,
        #[source]
        cause: Failure,
    },
    /// An event was not acknowledged for a minute; those before it were.
    #[error("event {event_id} was not acknowledged, and those after it were not sent")]
    Send {
        event_id: EventId,
        /// The error of the last try.
        #[source]
        cause: SendError,
    },
}

impl<Aggregates, Publisher, Time, Identities> Replay<Aggregates, Publisher, Time, Identities>
where
    Aggregates: PendingEventStore,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// The events that [`Self::run`] would send, in the same order.
    ///
    /// # Errors
    ///
    /// [`ReplayError`], but never [`ReplayError::Send`].
    pub async fn plan(
        &self,
        keys: &[AggregateKey],
        only: Option<EventId>,
    ) -> Result<Vec<ReplayedEvent>, ReplayError> {
        let mut planned = Vec::new();
        for key in keys {
            let (_, events) = self.found(*key, only).await?;
            planned.extend(events);
        }
        Ok(planned)
    }

    /// Sends every event of these aggregates, or `only` one. The aggregates come one after the
    /// other, and the oldest event of each comes first. `sent` is called after each event. Events
    /// of newer code, which can't be rebuilt, are skipped.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]
    pub async fn run(
        &self,
        keys: &[AggregateKey],
        only: Option<EventId>,
        mut sent: impl FnMut(&ReplayedEvent),
    ) -> Result<Vec<ReplayedEvent>, ReplayError> {
        let sender = ReplaySender::new(&self.publication, &self.identities, self.events_per_second);
        let mut replayed = Vec::new();
        for key in keys {
            let (stored, events) = self.found(*key, only).await?;
            for event in events.iter().filter(|event| event.event_type.is_some()) {
                let event_id = event.event_id;
                let acknowledged = sender.send(&stored, event_id).await;
                acknowledged.map_err(|cause| ReplayError::Send { event_id, cause })?;
                sent(event);
            }
            replayed.extend(events);
        }
        Ok(replayed)
    }

    async fn found(
        &self,
        aggregate: AggregateKey,
        only: Option<EventId>,
    ) -> Result<(StoredAggregate, Vec<ReplayedEvent>), ReplayError> {
        let found = self.aggregates.find(aggregate).await;
        let found = found.map_err(|cause| ReplayError::Unread { aggregate, cause })?;
        let stored = found.ok_or(ReplayError::NotFound(aggregate))?;
        let events: Vec<_> = stored
            .events()
            .into_iter()
            .filter(|event_id| only.is_none_or(|only| only == *event_id))
            .map(|event_id| ReplayedEvent {
                aggregate,
                event_id,
                event_type: stored.event_type(event_id).ok(),
                is_pending: stored.pending().holds(event_id),
            })
            .collect();
        if events.is_empty() {
            return Err(ReplayError::NotRaised(aggregate));
        }
        Ok((stored, events))
    }
}
