//! Puts an event on its topic that was recorded without a half message.

use std::time::Duration;

use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::{Cause, Settled};
use crate::ports::{
    ClaimOutcome, Clock, EndError, HalfMessage, Outbox, PrepareError, RecordedEvent, Resolution,
    TransactionalPublisher,
};

/// How long the half message and its commit may take together.
const PUBLICATION: Duration = Duration::from_secs(2);

/// The use case with the ports it needs.
#[derive(Debug, Clone)]
pub struct PublishRecordedEvent<O, P, K> {
    /// The events that nobody has seen.
    pub outbox: O,
    /// Sends in two steps.
    pub publisher: P,
    /// The wall clock.
    pub clock: K,
}

/// The event is not known to be on its topic. The sweep takes care of it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Whether it is ours to publish is unknown.
    #[error("whether the event was claimed is unknown")]
    Claim(#[source] Cause),
    /// It could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// No broker has acknowledged the event as visible. It may be, or become so, all the same.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No half message could be had.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Its commit was not acknowledged.
    #[error(transparent)]
    End(#[from] EndError),
}

/// Whether the event was ours to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The broker acknowledged it.
    Acknowledged,
    /// Another process claimed it, or a consumer has seen it.
    NotOurs,
}

impl<O: Outbox, P: TransactionalPublisher, K: Clock> PublishRecordedEvent<O, P, K> {
    /// Claims an event that was recorded unpublished, and sends it.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; the claim runs out and the event comes up again.
    pub async fn publish(&self, event: &RecordedEvent) -> Result<Publication, PublishError> {
        let until = self.clock.now().plus(lifetimes::SWEEP_AFTER);
        match self.outbox.claim(event.message.event_id, event.sweep_due, until).await {
            ClaimOutcome::Won => {}
            ClaimOutcome::Lost => return Ok(Publication::NotOurs),
            ClaimOutcome::Unknown(failure) => return Err(PublishError::Claim(failure.into())),
        }
        self.send(event, Deadline::after(PUBLICATION)).await?;
        Ok(Publication::Acknowledged)
    }

    /// Sends an event that is claimed, under its own `event_id` and the attempt that recorded it,
    /// whose record is COMMITTED: a check of the half message can only commit it.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the claim runs out and the event comes up again.
    pub async fn send(&self, event: &RecordedEvent, deadline: Deadline) -> Result<(), SendError> {
        let half = HalfMessage {
            message: &event.message,
            transaction_id: event.transaction_id,
            deadline: self.clock.now().plus(deadline.remaining()),
            is_recorded: true,
        };
        // A topic of type TRANSACTION takes no other message, hence a half message committed at
        // once.
        let receipt = self.publisher.prepare(&half, deadline).await?;
        self.publisher.end(&receipt, Resolution::Commit, deadline).await?;
        if event.unpublished {
            self.mark_published(event).await;
        }
        Ok(())
    }

    async fn mark_published(&self, event: &RecordedEvent) {
        // A handler that publishes what follows has the event before it in its span.
        let (event_id, transaction_id) = (event.message.event_id, event.transaction_id);
        match self.outbox.mark_published(event_id, transaction_id).await {
            Settled::Done => {}
            Settled::Refused(cause) => tracing::warn!(
                %event_id,
                %transaction_id,
                error = cause.as_ref() as &dyn std::error::Error,
                "the event stays marked unpublished and may be sent twice"
            ),
            Settled::Unknown(failure) => tracing::warn!(
                %event_id,
                %transaction_id,
                error = &failure as &dyn std::error::Error,
                "the event may stay marked unpublished and be sent twice"
            ),
        }
    }
}
