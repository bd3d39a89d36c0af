//! Events that were given up, for operators.

mod identifiers;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;

use contracts::event::Event;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::timestamp::Timestamp;

use super::pending::AggregateChange;
use super::{BODY_BYTES_MAX, Page};
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{Failure, ItemReason, WriteTry};

pub use identifiers::{DeadLetterId, InvalidDeadLetterId, MessageId};

/// An event that was given up, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event's id, if it could be read.
    pub event_id: Option<EventId>,
    /// The aggregate that raised the event, and in which it was pending; `None` if the message
    /// can't be read, or no aggregate of this deployment raised its event.
    pub aggregate: Option<AggregateKey>,
    /// The handlers with an effect outside the aggregate that were done with the event. A redrive
    /// restores these marks, so that the effects are not repeated.
    pub done_by: BTreeSet<String>,
    /// The message. It distinguishes the letters of one event: an event that was redriven and given
    /// up again was delivered by another message.
    pub message_id: MessageId,
    /// The message's body as it was received; the store may have kept only its beginning.
    pub body: Vec<u8>,
    /// How long the body was, in bytes.
    pub body_bytes: usize,
    /// W3C Trace Context, if the message carried one.
    pub traceparent: Option<String>,
    /// Why the event was given up.
    pub reason: String,
    /// Which handler failed; `None` if no handler was called.
    pub handler: Option<String>,
    /// How often the event was tried.
    pub attempts: u32,
    /// When the event failed for the first time, estimated from the deliveries.
    pub first_failed_at: Timestamp,
    /// Until when the letter is kept; `None` for an event of ours, whose letter is kept until it is
    /// redriven or discarded.
    pub expires_at: Option<Timestamp>,
}

impl DeadLetter {
    /// The identifier under which the letter is stored.
    pub fn id(&self) -> DeadLetterId {
        match self.event_id {
            Some(event_id) => DeadLetterId::of_event(event_id),
            None => DeadLetterId::of_message(&self.message_id),
        }
    }

    /// The name of the event's type, and its order or user, if the body can be decoded. A body
    /// longer than [`BODY_BYTES_MAX`] is not parsed here either.
    pub fn type_and_subject(&self) -> (Option<String>, Option<String>) {
        let event = (self.body.len() <= BODY_BYTES_MAX).then(|| Event::decode(&self.body).ok());
        let event = event.flatten();
        let event_type = event.as_ref().map(|event| event.data.event_type().as_str().to_owned());
        (event_type, event.map(|event| event.data.subject()))
    }

    /// Whether the whole body is stored.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.body_bytes
    }
}

/// A dead letter without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSummary {
    /// The identifier under which the letter is stored.
    pub id: DeadLetterId,
    /// The event's id, if it could be read.
    pub event_id: Option<EventId>,
    /// The aggregate that raised the event; `None` if no aggregate of ours did.
    pub aggregate: Option<AggregateKey>,
    /// The message that was given up last for this event, or that can't be read.
    pub message_id: MessageId,
    /// The name of the event's type, if it can be decoded.
    pub event_type: Option<String>,
    /// The order or user of the event, if it can be decoded.
    pub subject: Option<String>,
    /// Which handler failed; `None` if no handler was called.
    pub handler: Option<String>,
    /// Why the event was given up.
    pub reason: String,
    /// How often the event was tried.
    pub attempts: u32,
    /// When the event failed for the first time, estimated from the deliveries.
    pub first_failed_at: Timestamp,
    /// Until when the letter is kept; `None` if it is kept until it is redriven or discarded.
    pub expires_at: Option<Timestamp>,
    /// How long the body was, in bytes.
    pub body_bytes: usize,
}

impl From<DeadLetter> for DeadLetterSummary {
    fn from(letter: DeadLetter) -> Self {
        let (event_type, subject) = letter.type_and_subject();
        Self {
            id: letter.id(),
            event_id: letter.event_id,
            aggregate: letter.aggregate,
            message_id: letter.message_id,
            event_type,
            subject,
            handler: letter.handler,
            reason: letter.reason,
            attempts: letter.attempts,
            first_failed_at: letter.first_failed_at,
            expires_at: letter.expires_at,
            body_bytes: letter.body_bytes,
        }
    }
}

/// Reads dead letters, for operators.
pub trait DeadLetterReader: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A dead letter. It MUST be a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if the record is not a dead letter.
    fn find(
        &self,
        id: &DeadLetterId,
    ) -> impl Future<Output = Result<Option<DeadLetter>, Failure>> + Send;

    /// A page of all dead letters without their bodies, in no order: the first page, or the one
    /// that begins where another ends. The pages together MUST contain every letter that existed
    /// some time before the first page was read and until the last was.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<DeadLetterSummary, Self::Position>, Failure>> + Send;
}

/// Why a letter and its event were not moved.
#[derive(Debug, Clone)]
pub struct MoveCancelled {
    /// The letter. When it is to be removed, its condition fails if it is gone, or is another
    /// letter of the same event. When it is recorded, it can only be busy.
    pub letter: ItemReason<()>,
    /// The aggregate. Its condition fails if it was changed meanwhile.
    pub aggregate: ItemReason<StoredAggregate>,
}

/// Gives events up, and takes them out of the dead letters again.
pub trait DeadLetterMoves: Send + Sync {
    /// Makes one try, within `deadline`, to record a letter together with the end of its event in
    /// the aggregate, if the event is one of ours. It replaces a letter with the same id, which is
    /// of an earlier publication of the event, or of the same message. The letter of a message that
    /// can't be read never replaces an event's, because no [`MessageId`] is an event's. Of a long
    /// body it MAY keep only the beginning. The aggregate does not expire while the letter is
    /// there, because a redrive needs it.
    fn record(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;

    /// Makes one try, within `deadline`, to remove a letter, if it is still the one that was read,
    /// together with a change of the aggregate: its event is pending again, or stays ended. If
    /// nothing is pending in it then, it may expire.
    fn remove(
        &self,
        letter: &DeadLetter,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<MoveCancelled>> + Send;
}

/// Why a dead letter was not discarded: it is gone, or another letter of the same event has
/// replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterNotFound;

/// Removes dead letters without handling their events; [`DeadLetterMoves`] redrives them.
pub trait DeadLetterRemoval: Send + Sync {
    /// Makes one try, within `deadline`, to remove a letter, if it is still the one that was read.
    fn discard(
        &self,
        letter: &DeadLetter,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<LetterNotFound>> + Send;
}

/// The dead-letter topic, which announces the dead letters that are stored for operators.
pub trait DeadLetterChannel: Send + Sync {
    /// Announces a dead letter. A second call announces it again.
    fn announce(&self, letter: &DeadLetter) -> impl Future<Output = WriteTry<Infallible>> + Send;
}
