//! Puts a recorded event on its topic once more: an operator's remedy when a message was lost for a
//! consumer.
//!
//! It goes under its own `event_id` and the attempt that recorded it. Consumers may see it twice,
//! and recognise it by its `event_id`. Nothing is recorded of it: of an event that was observed
//! before, the broker's acknowledgement is all that is known.

use std::time::Duration;

use domain::identity::EventId;

use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{
    ClaimOutcome, Clock, Outbox, OutboxCopy, OutboxReader, RecordedEvent, TransactionalPublisher,
};
use crate::publish_recorded_event::{PublishRecordedEvent, SendError};
use crate::redelivery::{RedeliveryRefused, accept};

/// How long the half message and its commit may take together.
const PUBLICATION: Duration = Duration::from_secs(5);

/// The use case with the ports it needs.
#[derive(Debug, Clone)]
pub struct RepublishEvent<E, O, P, K> {
    /// Outbox copies.
    pub events: E,
    /// Claims and sends.
    pub publication: PublishRecordedEvent<O, P, K>,
}

/// The event was not published once more, as far as is known. It may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    /// There is no outbox copy of it.
    #[error("there is no outbox copy of that event: it was never recorded here, or has expired")]
    NotRecorded,
    /// It must not be.
    #[error("it is not published once more")]
    Refused(#[source] RedeliveryRefused),
    /// The sweep is at it.
    #[error(
        "the sweep has just taken it up, or a consumer has just seen it: look again in a minute"
    )]
    TakenUp,
    /// Nothing was sent.
    #[error("it was not sent, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// No broker acknowledged it.
    #[error("whether it is on its topic is unknown")]
    Send(#[from] SendError),
}

impl<E, O, P, K> RepublishEvent<E, O, P, K>
where
    E: OutboxReader,
    O: Outbox,
    P: TransactionalPublisher,
    K: Clock,
{
    /// Publishes an event once more and returns it as it was found. The broker has acknowledged it.
    ///
    /// An event that no consumer has seen is claimed first, so that the sweep doesn't send it at
    /// the same time. One that was seen is refused when handlers may have forgotten it.
    ///
    /// # Errors
    ///
    /// [`RepublishError`]
    pub async fn republish(&self, event_id: EventId) -> Result<OutboxCopy, RepublishError> {
        let found = self.events.find(event_id).await.map_err(RepublishError::Failed)?;
        let copy = found.ok_or(RepublishError::NotRecorded)?;
        let event = match copy.clone().unobserved() {
            Some(event) => self.claimed(event).await?,
            None => self.accepted(copy.clone())?,
        };
        self.publication.send(&event, Deadline::after(PUBLICATION)).await?;
        Ok(copy)
    }

    async fn claimed(&self, event: RecordedEvent) -> Result<RecordedEvent, RepublishError> {
        let until = self.publication.clock.now().plus(lifetimes::SWEEP_AFTER);
        let event_id = event.message.event_id;
        match self.publication.outbox.claim(event_id, event.sweep_due, until).await {
            ClaimOutcome::Won => Ok(event),
            ClaimOutcome::Lost => Err(RepublishError::TakenUp),
            ClaimOutcome::Unknown(failure) => Err(RepublishError::Failed(failure)),
        }
    }

    fn accepted(&self, copy: OutboxCopy) -> Result<RecordedEvent, RepublishError> {
        let now = self.publication.clock.now();
        accept(copy.message.body.as_bytes(), Some(copy.recorded_at), now)
            .map_err(RepublishError::Refused)?;
        Ok(RecordedEvent {
            message: copy.message,
            transaction_id: copy.transaction_id,
            recorded_at: copy.recorded_at,
            unpublished: false,
            sweep_due: now,
        })
    }
}
