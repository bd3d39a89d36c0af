//! A half message on the wire.

use application::ports::{HalfMessage, OutboundMessage};
use domain::identity::TransactionId;
use domain::timestamp::Timestamp;

/// A [`HalfMessage`] on its way.
pub(crate) struct OwnedHalf {
    pub(crate) message: OutboundMessage,
    pub(crate) transaction_id: TransactionId,
    deadline: Timestamp,
    is_recorded: bool,
}

impl OwnedHalf {
    pub(crate) fn of(half: &HalfMessage<'_>) -> Self {
        Self {
            message: half.message.clone(),
            transaction_id: half.transaction_id,
            deadline: half.deadline,
            is_recorded: half.is_recorded,
        }
    }

    pub(crate) const fn borrowed(&self) -> HalfMessage<'_> {
        HalfMessage {
            message: &self.message,
            transaction_id: self.transaction_id,
            deadline: self.deadline,
            is_recorded: self.is_recorded,
        }
    }
}
