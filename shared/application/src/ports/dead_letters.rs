use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

use contracts::event::Event;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::timestamp::Timestamp;

use super::{BODY_BYTES_MAX, Page};
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// An event that was given up, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event's id, if it could be read.
    pub event_id: Option<EventId>,
    /// The aggregate that raised the event, and in which it was pending; none of a message that
    /// can't be read, or that no aggregate of this deployment raised.
    pub aggregate: Option<AggregateKey>,
    /// The handlers with an effect outside the aggregate that were done with the event. A redrive
    /// gives them back, so that what was done is not done again.
    pub done_by: BTreeSet<String>,
    /// The broker's id of the message. It tells the letters of one event apart: what was redriven
    /// and given up once more came with another message.
    pub message_id: String,
    /// The message's body as it came; the store may have kept its beginning alone.
    pub body: Vec<u8>,
    /// How long the body was, in bytes.
    pub body_bytes: usize,
    /// W3C Trace Context, where the message carried one.
    pub traceparent: Option<String>,
    /// Why.
    pub reason: String,
    /// Which handler gave up; none when the event couldn't even be decoded.
    pub handler: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed for the first time, as far as the deliveries tell.
    pub first_failed_at: Timestamp,
    /// Until when it is kept; none of an event of ours, which leaves by redrive or discard alone.
    pub expires_at: Option<Timestamp>,
}

impl DeadLetter {
    /// Under which it is kept.
    pub fn id(&self) -> DeadLetterId {
        match self.event_id {
            Some(event_id) => DeadLetterId(event_id.to_string()),
            None => DeadLetterId(self.message_id.clone()),
        }
    }

    /// The event's type by its name, and what it is about, if the body can be decoded. One that is
    /// longer than [`BODY_BYTES_MAX`] is not parsed here either.
    pub fn type_and_subject(&self) -> (Option<String>, Option<String>) {
        let event = (self.body.len() <= BODY_BYTES_MAX).then(|| Event::decode(&self.body).ok());
        let event = event.flatten();
        let event_type = event.as_ref().map(|event| event.data.event_type().as_str().to_owned());
        (event_type, event.map(|event| event.data.subject()))
    }

    /// Whether the body is kept as it came.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.body_bytes
    }
}

/// A dead letter without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSummary {
    /// Under which it is kept.
    pub id: DeadLetterId,
    /// The event's id, if it could be read.
    pub event_id: Option<EventId>,
    /// The aggregate whose event it is; none of a message that no aggregate of ours raised.
    pub aggregate: Option<AggregateKey>,
    /// The broker's id of the message.
    pub message_id: String,
    /// The name of the event's type, if it can be decoded.
    pub event_type: Option<String>,
    /// What the event is about, if it can be decoded.
    pub subject: Option<String>,
    /// Which handler gave up; none when the event couldn't even be decoded.
    pub handler: Option<String>,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed for the first time, as far as the deliveries tell.
    pub first_failed_at: Timestamp,
    /// Until when it is kept; none if it leaves by redrive or discard alone.
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

/// Under which a dead letter is kept: the event's id where that could be read, else the broker's id
/// of the message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(String);

/// A text is not a dead letter's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an event's id or a message's id: 1 to 255 visible ASCII characters")]
pub struct InvalidDeadLetterId;

impl DeadLetterId {
    /// Reads an id: 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    ///
    /// [`InvalidDeadLetterId`] if it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidDeadLetterId> {
        let valid = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidDeadLetterId) }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Dead letters as operators read them.
pub trait DeadLetterReader: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A dead letter. It MUST be a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is no dead letter.
    fn find(
        &self,
        id: &DeadLetterId,
    ) -> impl Future<Output = Result<Option<DeadLetter>, Failure>> + Send;

    /// A page of all dead letters without their bodies, in no order: the first, or the one that begins
    /// where another ends. The pages together MUST tell every letter that was there for a while before
    /// the first and until the last.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<DeadLetterSummary, Self::Position>, Failure>> + Send;
}

/// Why a dead letter was not discarded: it is not there any more, or is another one of the same
/// event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterGone;

/// The way out of the dead letters that ends in nothing; for the other one see
/// [`DeadLetterMoves`](super::letters::DeadLetterMoves).
pub trait DeadLetterRemoval: Send + Sync {
    /// Makes one try, within `deadline`, to remove a letter, if it is still the one that was read.
    fn discard(
        &self,
        letter: &DeadLetter,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<LetterGone>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_visible_characters() {
        for id in ["01890a5d-ac96-774b-bcce-b302099a8057", "7F00000100002A9F00000000000012AB"] {
            assert_eq!(DeadLetterId::parse(id).unwrap().as_str(), id);
        }
        for text in ["", "two words", "ümlaut", "tab\t", &"x".repeat(256)] {
            assert_eq!(DeadLetterId::parse(text), Err(InvalidDeadLetterId), "{text:?}");
        }
    }
}
