use std::future::Future;

use domain::identity::{EventId, TransactionId};
use domain::instant::Instant;

use super::OutboundMessage;
use crate::outcome::{Failure, Settled};

/// The outbox copy of an event: what was true in the transaction that made it true, and whether a
/// consumer has seen it on its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The event as it goes on its topic.
    pub message: OutboundMessage,
    /// The attempt that recorded it. Its record is COMMITTED as soon as the event is there.
    pub transaction_id: TransactionId,
    /// Whether no half message of it was ever sent, so that it can be published without asking.
    pub unpublished: bool,
    /// When the sweep looks at it, unless it has been observed by then.
    pub sweep_due: Instant,
}

/// What became of a claim.
#[derive(Debug)]
#[must_use]
pub enum ClaimOutcome {
    /// It is ours until the new time.
    Won,
    /// Another process claimed it, or it has been observed.
    Lost,
    /// Nobody knows: leave it, it comes up again at the latest at the new time.
    Unknown(Failure),
}

/// Events that no consumer has seen yet.
pub trait Outbox: Send + Sync {
    /// Claims an unobserved event for publication by moving its `sweep_due` from `expected` to
    /// `until`. Of any number of claims with one `expected` at most one MUST win.
    fn claim(
        &self,
        event_id: EventId,
        expected: Instant,
        until: Instant,
    ) -> impl Future<Output = ClaimOutcome> + Send;

    /// Removes the mark `unpublished`, after the broker acknowledged the event. Repeating it changes
    /// nothing.
    fn mark_published(&self, event_id: EventId) -> impl Future<Output = Settled> + Send;
}
