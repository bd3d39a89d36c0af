//! Lists the dead letters for an operator.

use contracts::event::{Event, EventType};
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::timestamp::Timestamp;

use crate::listing::{Listing, Selection};
use crate::outcome::Failure;
use crate::ports::{DeadLetter, DeadLetterId, DeadLetterReader};

/// Which dead letters are meant: those that fit everything that is said here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// The handler that gave up.
    pub handler: Option<String>,
    /// A part of the reason.
    pub reason: Option<String>,
}

impl DeadLetterFilter {
    /// Whether a letter is meant.
    pub fn fits(&self, letter: &DeadLetter) -> bool {
        let by_handler = self.handler.is_none() || self.handler == letter.handler;
        by_handler && self.reason.as_ref().is_none_or(|part| letter.reason.contains(part.as_str()))
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
    /// The event's type, if it can be decoded.
    pub event_type: Option<EventType>,
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
        let event = Event::decode(&letter.body).ok();
        Self {
            id: letter.id(),
            event_id: letter.event_id,
            aggregate: letter.aggregate,
            message_id: letter.message_id,
            event_type: event.as_ref().map(|event| event.data.event_type()),
            subject: event.as_ref().map(|event| event.data.subject()),
            handler: letter.handler,
            reason: letter.reason,
            attempts: letter.attempts,
            first_failed_at: letter.first_failed_at,
            expires_at: letter.expires_at,
            body_bytes: letter.body_bytes,
        }
    }
}

/// Lists dead letters.
#[derive(Debug, Clone)]
pub struct ListDeadLetters<Letters> {
    /// The dead letters.
    pub letters: Letters,
}

impl<Letters: DeadLetterReader> ListDeadLetters<Letters> {
    /// The letters that fit, the newest first, `limit` at most. After each page, `progress` gets
    /// how many fit so far.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they couldn't all be read.
    pub async fn newest(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Listing<DeadLetterSummary>, Failure> {
        let mut selection =
            Selection::new(limit, |a: &DeadLetterSummary, b: &DeadLetterSummary| {
                b.first_failed_at.cmp(&a.first_failed_at).then_with(|| a.id.cmp(&b.id))
            });
        let mut fitting = 0;
        let mut unreadable = 0;
        let mut after = None;
        loop {
            let page = self.letters.page(after).await?;
            unreadable += page.unreadable;
            for letter in page.items.into_iter().filter(|letter| filter.fits(letter)) {
                fitting += 1;
                selection.add(DeadLetterSummary::from(letter));
            }
            progress(fitting);
            after = page.next;
            if after.is_none() {
                return Ok(selection.finish(unreadable));
            }
        }
    }
}
