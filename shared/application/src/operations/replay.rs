//! Sends events again, rebuilt from their aggregates, for subscribers that missed them because a
//! broker lost them.
//!
//! Each is rebuilt in the version in which it was first published, with the same `event_id`: a
//! subscriber that already has it sees a duplicate. Our own group acknowledges what is no longer
//! pending.

use std::time::Duration;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};

use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::events::publish::{PublishStored, SendError};
use crate::outcome::Failure;
use crate::ports::pending::PendingEventStore;
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

/// How long one event may take.
const PUBLICATION: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Replay<Aggregates, Publisher, Time, Identities> {
    pub aggregates: Aggregates,
    pub publication: PublishStored<Publisher, Time>,
    pub identities: Identities,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayedEvent {
    pub event_id: EventId,
    /// Its type; `None` if newer code raised it, so that it can't be sent.
    pub event_type: Option<EventType>,
    /// Whether it is still pending in its aggregate: then our own group handles it as well.
    pub is_pending: bool,
}

/// Not all events are known to be on their topic again. It may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no such aggregate")]
    NotFound,
    #[error("the aggregate has raised no such event")]
    NotRaised,
    #[error("the aggregate could not be read")]
    Unread(#[source] Failure),
    /// An event was not acknowledged; those before it were.
    #[error("event {event_id} was not acknowledged, and those after it were not sent")]
    Send {
        event_id: EventId,
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
    /// What [`Self::aggregate`] would send, the oldest first: every event of an aggregate, or
    /// `only` one.
    ///
    /// # Errors
    ///
    /// [`ReplayError`], but never [`ReplayError::Send`].
    pub async fn plan(
        &self,
        key: AggregateKey,
        only: Option<EventId>,
    ) -> Result<Vec<ReplayedEvent>, ReplayError> {
        let (_, events) = self.found(key, only).await?;
        Ok(events)
    }

    /// Sends every event of an aggregate, the oldest first, or `only` one. `sent` is called after
    /// each of them. Events of newer code, which can't be rebuilt, are skipped.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]
    pub async fn aggregate(
        &self,
        key: AggregateKey,
        only: Option<EventId>,
        mut sent: impl FnMut(&ReplayedEvent),
    ) -> Result<Vec<ReplayedEvent>, ReplayError> {
        let (stored, events) = self.found(key, only).await?;
        for event in events.iter().filter(|event| event.event_type.is_some()) {
            self.send(&stored, event.event_id).await.map_err(|cause| {
                let event_id = event.event_id;
                ReplayError::Send { event_id, cause }
            })?;
            sent(event);
        }
        Ok(events)
    }

    async fn send(&self, stored: &StoredAggregate, event_id: EventId) -> Result<(), SendError> {
        let publication = publication_of(stored, event_id, &self.identities);
        let within = Deadline::after(PUBLICATION);
        self.publication.send(stored, event_id, publication, within).await
    }

    async fn found(
        &self,
        key: AggregateKey,
        only: Option<EventId>,
    ) -> Result<(StoredAggregate, Vec<ReplayedEvent>), ReplayError> {
        let found = self.aggregates.find(key).await.map_err(ReplayError::Unread)?;
        let stored = found.ok_or(ReplayError::NotFound)?;
        let events: Vec<_> = stored
            .events()
            .into_iter()
            .filter(|event_id| only.is_none_or(|only| only == *event_id))
            .map(|event_id| ReplayedEvent {
                event_id,
                event_type: stored.event_type(event_id).ok(),
                is_pending: stored.pending().holds(event_id),
            })
            .collect();
        if events.is_empty() {
            return Err(ReplayError::NotRaised);
        }
        Ok((stored, events))
    }
}

/// The identifier of the publication of an event that is sent again. A pending event keeps that of
/// its latest publication, because the sweep looks it up by that.
pub(super) fn publication_of(
    stored: &StoredAggregate,
    event_id: EventId,
    identities: &impl IdentitySource,
) -> TransactionId {
    let pending = stored.pending().get(event_id);
    pending.map_or_else(|| identities.transaction_id(), |entry| entry.transaction_id)
}
