//! Sends events again that were published before, at a rate.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::identity::{EventId, TransactionId};
use tokio::sync::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::PUBLICATION;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::events::publish::{PublishStored, SendError};
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

/// How long an event is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends events that several tasks read, together not faster than the rate.
pub(super) struct ReplaySender<'a, Publisher, Time, Identities> {
    publication: &'a PublishStored<Publisher, Time>,
    identities: &'a Identities,
    rate: Mutex<Interval>,
}

impl<'a, Publisher, Time, Identities> ReplaySender<'a, Publisher, Time, Identities>
where
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    pub(super) fn new(
        publication: &'a PublishStored<Publisher, Time>,
        identities: &'a Identities,
        events_per_second: NonZeroU32,
    ) -> Self {
        let period = Duration::from_secs(1) / events_per_second.get();
        let mut rate = tokio::time::interval_at(Instant::now(), period);
        rate.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { publication, identities, rate: Mutex::new(rate) }
    }

    /// Sends an event until a broker has acknowledged it, or for a minute.
    pub(super) async fn send(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
    ) -> Result<(), SendError> {
        self.rate.lock().await.tick().await;
        let publication = self.publication_of(stored, event_id);
        let (first, most) = (Duration::from_millis(200), Duration::from_secs(5));
        let mut pause = Backoff::new(first, most, seed(event_id.as_uuid()));
        let patience = Deadline::after(PATIENCE);
        loop {
            let within = Deadline::after(PUBLICATION);
            match self.publication.send(stored, event_id, publication, within).await {
                Ok(()) => return Ok(()),
                Err(error) if patience.has_passed() => return Err(error),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%event_id, error, "an event was not acknowledged; trying again");
                }
            }
            pause.wait(patience).await;
        }
    }

    /// The identifier of the publication. A pending event keeps the identifier of its latest
    /// publication, because the sweep looks the event up by it.
    fn publication_of(&self, stored: &StoredAggregate, event_id: EventId) -> TransactionId {
        let pending = stored.pending().get(event_id);
        pending.map_or_else(|| self.identities.transaction_id(), |entry| entry.transaction_id)
    }
}
