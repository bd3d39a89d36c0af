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
    /// Claims an unpublished event and publishes it, under its own `event_id` and the attempt that
    /// recorded it, whose record is COMMITTED: a check of the half message can only commit it.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; the claim runs out and the event comes up again.
    pub async fn publish(&self, event: &RecordedEvent) -> Result<Publication, PublishError> {
        let now = self.clock.now();
        let until = now.plus(lifetimes::SWEEP_AFTER);
        match self.outbox.claim(event.message.event_id, event.sweep_due, until).await {
            ClaimOutcome::Won => {}
            ClaimOutcome::Lost => return Ok(Publication::NotOurs),
            ClaimOutcome::Unknown(failure) => return Err(PublishError::Claim(failure.into())),
        }
        let half = HalfMessage {
            message: &event.message,
            transaction_id: event.transaction_id,
            deadline: now.plus(PUBLICATION),
            // Its record is COMMITTED, so a check can only commit it, however early it comes.
            check_immunity: Duration::ZERO,
        };
        // A topic of type TRANSACTION takes no other message, hence a half message committed at once.
        let within = Deadline::after(PUBLICATION);
        let receipt = self.publisher.prepare(&half, within).await?;
        self.publisher.end(&receipt, Resolution::Commit, within).await?;
        match self.outbox.mark_published(event.message.event_id).await {
            Settled::Done => {}
            Settled::Refused(cause) => tracing::warn!(
                error = cause.as_ref() as &dyn std::error::Error,
                "the event stays marked unpublished and may be sent twice"
            ),
            Settled::Unknown(failure) => tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "the event may stay marked unpublished and be sent twice"
            ),
        }
        Ok(Publication::Acknowledged)
    }
}
