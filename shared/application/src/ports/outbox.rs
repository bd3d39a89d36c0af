use std::future::Future;

use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use super::{OutboundMessage, Page, Topic};
use crate::deadline::Deadline;
use crate::outcome::{Failure, Settled};

/// The outbox copy of an event: what was true in the transaction that made it true, and whether a
/// consumer has seen it on its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The event as it goes on its topic.
    pub message: OutboundMessage,
    /// The attempt that recorded it. Its record is COMMITTED as soon as the event is there.
    pub transaction_id: TransactionId,
    /// When it was recorded, or redriven.
    pub recorded_at: Timestamp,
    /// Whether no half message of it was ever sent, so that it can be published without asking.
    pub unpublished: bool,
    /// When the sweep looks at it, unless it has been observed by then.
    pub sweep_due: Timestamp,
}

/// The outbox copy of an event, whether or not the sweep still looks after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxCopy {
    /// The event as it goes on its topic.
    pub message: OutboundMessage,
    /// The attempt that recorded it.
    pub transaction_id: TransactionId,
    /// When it was recorded, or redriven.
    pub recorded_at: Timestamp,
    /// What the sweep knows of it; none once it was observed or dead-lettered.
    pub pending: Option<Pending>,
}

/// What the sweep knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// As [`RecordedEvent::unpublished`].
    pub unpublished: bool,
    /// As [`RecordedEvent::sweep_due`].
    pub sweep_due: Timestamp,
}

impl OutboxCopy {
    /// The event, as long as the sweep looks after it.
    pub fn unobserved(self) -> Option<RecordedEvent> {
        let Pending { unpublished, sweep_due } = self.pending?;
        Some(RecordedEvent {
            message: self.message,
            transaction_id: self.transaction_id,
            recorded_at: self.recorded_at,
            unpublished,
            sweep_due,
        })
    }
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
        expected: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = ClaimOutcome> + Send;

    /// Removes the mark `unpublished` of the attempt whose message the broker acknowledged. It MUST
    /// leave the mark of another attempt, which a redrive has made meanwhile. Repeating it changes
    /// nothing.
    fn mark_published(
        &self,
        event_id: EventId,
        transaction_id: TransactionId,
    ) -> impl Future<Output = Settled> + Send;
}

/// An event that is due for the sweep, as the index tells it: it may have been claimed or observed
/// meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueEvent {
    /// Which one.
    pub event_id: EventId,
    /// Since when, which a claim expects.
    pub sweep_due: Timestamp,
}

/// What is due for the sweep, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueEvents {
    /// The events, the earliest first.
    pub events: Vec<DueEvent>,
    /// Whether there may be more.
    pub more: bool,
    /// How many parts of the index, or items in it, could not be read. They hide nothing else.
    pub unreadable: usize,
}

/// What the sweep looks at.
pub trait UnobservedEvents: Send + Sync {
    /// Events that no consumer has seen and that are due at `now`, about `limit` of them. It MAY be
    /// a few seconds out of date, but MUST come to every event, if those that it tells are claimed:
    /// what is due later never hides what is due earlier, nor does what can't be read hide what
    /// can.
    ///
    /// # Errors
    ///
    /// [`Failure`] if nothing could be read.
    fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<DueEvents, Failure>> + Send;

    /// An event, unless a consumer has seen it. It MUST be a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is no event.
    fn find(
        &self,
        event_id: EventId,
    ) -> impl Future<Output = Result<Option<RecordedEvent>, Failure>> + Send;
}

/// Outbox copies as operators read them.
pub trait OutboxReader: Send + Sync {
    /// An event's outbox copy, observed or not. It MUST be a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is no event.
    fn find(
        &self,
        event_id: EventId,
    ) -> impl Future<Output = Result<Option<OutboxCopy>, Failure>> + Send;
}

/// What the sweep looks after, as operators list it.
pub trait PendingEvents: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A page of all events that no consumer has seen, due or not, in no order: the first, or the
    /// one that begins where another ends. It MAY be a few seconds out of date. The pages together
    /// MUST tell every event that was there all the while, and MAY tell one twice that was claimed
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<RecordedEvent, Self::Position>, Failure>> + Send;
}

/// What is on the topics.
pub trait PublishedEvents: Send + Sync {
    /// Whether a message with that `event_id`, of that attempt, is on the topic: a redriven event's
    /// earlier message is another attempt's. It MUST ask every broker of the topic, and MUST
    /// compare the identifiers themselves: a broker's index compares hashes.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker has answered: then nothing is known.
    fn is_published(
        &self,
        topic: Topic,
        event_id: EventId,
        transaction_id: TransactionId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}
