//! Publishes a pending event again at once, for operators: when its message is lost for us and the
//! sweep would still wait, or has given up.
//!
//! The event first gets a new publication in its aggregate, and then it is sent. If the process
//! dies in between, the sweep sends it. The sweep starts again with the event: its copies are
//! counted from here.

use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};
use domain::pending::{PendingEvent, Publication};

use super::{PUBLICATION, WRITE};
use crate::deadline::Deadline;
use crate::events::publish::{PublishStored, SendError};
use crate::events::revise::revise;
use crate::events::{NotRebuilt, StoredAggregate};
use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::pending::{IndexChange, PendingEventStore};
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

#[derive(Debug, Clone)]
pub struct Republish<Aggregates, Publisher, Time, Identities> {
    pub aggregates: Aggregates,
    pub publication: PublishStored<Publisher, Time>,
    pub identities: Identities,
}

/// An event has a new publication.
#[derive(Debug)]
pub struct Republished {
    pub publication: TransactionId,
    /// Whether the broker has acknowledged the event. If not, the sweep publishes it.
    pub sent: Result<(), SendError>,
}

/// An event was not published again, as far as is known. The call may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    #[error("there is no such aggregate")]
    NotFound,
    #[error("it can't be published")]
    NotRebuilt(#[from] NotRebuilt),
    #[error("it is not pending: every handler of ours is done with it, or it is a dead letter")]
    NotPending,
    /// The table could not be read or written. Nothing was sent.
    #[error("it was not sent, because the table could not be read or written")]
    Failed(#[source] Failure),
}

impl<Aggregates, Publisher, Time, Identities> Republish<Aggregates, Publisher, Time, Identities>
where
    Aggregates: PendingEventStore,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// The entry of a pending event that could be published again.
    ///
    /// # Errors
    ///
    /// [`RepublishError`], if it could not be published.
    pub async fn examine(
        &self,
        key: AggregateKey,
        event_id: EventId,
    ) -> Result<PendingEvent, RepublishError> {
        let (_, entry) = self.pending(key, event_id).await?;
        Ok(entry)
    }

    /// Publishes a pending event again.
    ///
    /// # Errors
    ///
    /// [`RepublishError`]. The call succeeds once the event has its new publication.
    pub async fn republish(
        &self,
        key: AggregateKey,
        event_id: EventId,
    ) -> Result<Republished, RepublishError> {
        let (stored, _) = self.pending(key, event_id).await?;
        let publication = self.identities.transaction_id();
        let now = self.publication.clock.now();
        let revised = revise(&self.aggregates, stored, Deadline::after(WRITE), |found| {
            let mut pending = found.pending().clone();
            let again = PendingEvent {
                transaction_id: publication,
                publication: Publication::Sent,
                published_at: now,
                due: now.plus(lifetimes::SWEEP_AFTER),
                copies: 0,
                unanswered_since: None,
                ..pending.remove(event_id)?
            };
            pending.put(event_id, again);
            let index = IndexChange::between(found.pending(), &pending);
            Some(found.pending_change(pending, index))
        });
        let revised = revised.await.map_err(RepublishError::Failed)?;
        let found = revised.ok_or(RepublishError::NotPending)?;
        let within = Deadline::after(PUBLICATION);
        let sent = self.publication.send(&found, event_id, publication, within).await;
        Ok(Republished { publication, sent })
    }

    async fn pending(
        &self,
        key: AggregateKey,
        event_id: EventId,
    ) -> Result<(StoredAggregate, PendingEvent), RepublishError> {
        let found = self.aggregates.find(key).await.map_err(RepublishError::Failed)?;
        let stored = found.ok_or(RepublishError::NotFound)?;
        stored.event_type(event_id)?;
        let entry = stored.pending().get(event_id).cloned().ok_or(RepublishError::NotPending)?;
        Ok((stored, entry))
    }
}
