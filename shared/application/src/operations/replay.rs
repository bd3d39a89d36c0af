//! Sends events again from what their aggregates keep, for subscribers that a broker has lost them
//! for.
//!
//! Each is rebuilt in the version in which it was published first, under its own `event_id`: a
//! subscriber that has it sees a duplicate. Our own group acknowledges what is not pending any more.

use std::time::Duration;

use domain::aggregate::AggregateKey;
use domain::identity::EventId;

use crate::deadline::Deadline;
use crate::events::publish::{PublishStored, SendError};
use crate::outcome::Failure;
use crate::ports::pending::PendingEventStore;
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

/// How long one event may take.
const PUBLICATION: Duration = Duration::from_secs(5);

/// Replays events.
#[derive(Debug, Clone)]
pub struct Replay<Aggregates, Publisher, Time, Identities> {
    /// The aggregates.
    pub aggregates: Aggregates,
    /// Publishes.
    pub publication: PublishStored<Publisher, Time>,
    /// Makes identifiers.
    pub identities: Identities,
}

/// Not all events are known to be on their topic again. It may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such aggregate.
    #[error("there is no such order")]
    NotThere,
    /// It could not be read.
    #[error("the order could not be read")]
    Unread(#[source] Failure),
    /// An event was not acknowledged; those before it were.
    #[error("event {event_id} was not acknowledged, and those after it were not sent")]
    Send {
        /// The event.
        event_id: EventId,
        /// Why.
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
    /// Sends every event of an aggregate, the oldest first, and returns their identifiers.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]
    pub async fn aggregate(&self, key: AggregateKey) -> Result<Vec<EventId>, ReplayError> {
        let found = self.aggregates.find(key).await.map_err(ReplayError::Unread)?;
        let stored = found.ok_or(ReplayError::NotThere)?;
        let events = stored.events();
        for event_id in &events {
            // What is pending is looked for by the name of its latest publication.
            let publication = match stored.pending().get(*event_id) {
                Some(entry) => entry.transaction_id,
                None => self.identities.transaction_id(),
            };
            let within = Deadline::after(PUBLICATION);
            let sent = self.publication.send(&stored, *event_id, publication, within).await;
            sent.map_err(|cause| ReplayError::Send { event_id: *event_id, cause })?;
        }
        Ok(events)
    }
}
