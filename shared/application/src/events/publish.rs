//! Publishes an event that is stored: it is rebuilt from its aggregate, and nothing is published
//! from memory.

use domain::identity::{EventId, TransactionId};

use super::{NotRebuilt, StoredAggregate};
use crate::deadline::Deadline;
use crate::ports::{
    Clock, EndError, HalfMessage, OutboundMessage, PrepareError, Resolution, TransactionalPublisher,
};

/// Publishes by a half message that is committed at once: a topic of type TRANSACTION accepts no
/// other message.
#[derive(Debug, Clone)]
pub struct PublishStored<Publisher, Time> {
    pub publisher: Publisher,
    /// The wall clock, for the deadline in the half message.
    pub clock: Time,
}

/// No broker has acknowledged the event as visible. It may still be visible, or become visible.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The event can't be rebuilt, so nothing was sent.
    #[error("the event can't be rebuilt from its aggregate")]
    NotRebuilt(#[from] NotRebuilt),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The commit was not acknowledged.
    #[error(transparent)]
    End(#[from] EndError),
}

impl<Publisher: TransactionalPublisher, Time: Clock> PublishStored<Publisher, Time> {
    /// Publishes an event of an aggregate as it was read, with `publication` as its
    /// `transaction_id`. `Ok` means that the broker has acknowledged it.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the event stays pending.
    pub async fn send(
        &self,
        found: &StoredAggregate,
        event_id: EventId,
        publication: TransactionId,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.send_message(&found.message(event_id)?, publication, deadline).await
    }

    /// Publishes a message without changes.
    pub(crate) async fn send_message(
        &self,
        message: &OutboundMessage,
        transaction_id: TransactionId,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let half = HalfMessage {
            message,
            transaction_id,
            deadline: self.clock.now().plus(deadline.remaining()),
            is_recorded: true,
        };
        let receipt = self.publisher.prepare(&half, deadline).await?;
        self.publisher.end(&receipt, Resolution::Commit, deadline).await?;
        Ok(())
    }
}
