//! Gives events up: they are kept as dead letters, and no other event waits for them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use domain::identity::EventId;
use domain::timestamp::Timestamp;

use super::{DeliveryOutcome, first_failed_at, log_unless_done};
use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::lifetimes;
use crate::outcome::{Failure, ItemReason, WriteTry};
use crate::ports::pending::{AggregateChange, IndexChange};
use crate::ports::{
    DeadLetter, DeadLetterChannel, DeadLetterMoves, Delivery, MessageId, MoveCancelled,
};
use crate::retry::until_settled;

/// An event of one of our aggregates that failed for too long, or can never succeed.
pub(super) struct GivenUp {
    pub(super) stored: StoredAggregate,
    pub(super) event_id: EventId,
    pub(super) reason: String,
    pub(super) handler: Option<&'static str>,
    pub(super) failures: u32,
}

/// What became of the write that records a letter and ends its event's entry.
enum Recording {
    Stored,
    /// The event has ended or was redriven meanwhile, so this try does not give it up.
    Ended,
    /// The same after a try whose answer was lost: most likely that try recorded the letter.
    Unclear,
}

/// Records dead letters and announces them.
pub struct GiveUpEvents<Letters, Announcements> {
    pub letters: Letters,
    pub announcements: Announcements,
}

impl<Letters: DeadLetterMoves, Announcements: DeadLetterChannel>
    GiveUpEvents<Letters, Announcements>
{
    /// Gives up one of our events: one write records its letter and ends its entry. The letter has
    /// no expiry, because nothing else shows that the event was not handled.
    ///
    /// # Errors
    ///
    /// No letter was recorded, as far as is known: the message must be delivered again.
    pub(super) async fn give_up(
        &self,
        delivery: &impl Delivery,
        given_up: GivenUp,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<DeliveryOutcome, Failure> {
        let GivenUp { stored, event_id, reason, handler, failures } = given_up;
        let letter = DeadLetter {
            event_id: Some(event_id),
            aggregate: Some(stored.key()),
            reason,
            handler: handler.map(ToOwned::to_owned),
            attempts: failures,
            first_failed_at: first_failed_at(now, failures.saturating_sub(1)),
            expires_at: None,
            ..letter_of(delivery, now)
        };
        Ok(match self.record_and_end(&letter, stored, event_id, deadline).await? {
            Recording::Stored => self.announce(&letter, deadline).await,
            Recording::Ended => DeliveryOutcome::Handled,
            Recording::Unclear => {
                tracing::error!("an event was given up, or was handled or redriven meanwhile");
                DeliveryOutcome::GivenUp { announced: false }
            }
        })
    }

    /// Gives up a message that this code can't read. This ends no event: if the message is a broken
    /// copy of one of our events, the sweep sends a good copy. The letter is stored under the
    /// message's id and not under an `event_id`, because the event may have a letter of its own.
    ///
    /// # Errors
    ///
    /// As of [`Self::give_up`].
    pub(super) async fn give_up_unread(
        &self,
        delivery: &impl Delivery,
        reason: String,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<DeliveryOutcome, Failure> {
        let letter = DeadLetter { event_id: None, reason, ..letter_of(delivery, now) };
        self.record(&letter, None, deadline).await?;
        Ok(self.announce(&letter, deadline).await)
    }

    async fn record_and_end(
        &self,
        letter: &DeadLetter,
        mut stored: StoredAggregate,
        event_id: EventId,
        deadline: Deadline,
    ) -> Result<Recording, Failure> {
        let mut in_doubt = false;
        let since = stored.pending().get(event_id).map(|entry| entry.since);
        loop {
            // An entry with another `since` is that of a redrive: an earlier try was stored unnoticed,
            // and its letter was redriven. That has a message of its own.
            let entry = stored.pending().get(event_id).filter(|entry| Some(entry.since) == since);
            let Some(entry) = entry else {
                return Ok(if in_doubt { Recording::Unclear } else { Recording::Ended });
            };
            let letter = DeadLetter { done_by: entry.done_by.clone(), ..letter.clone() };
            let mut pending = stored.pending().clone();
            pending.remove(event_id);
            let index = IndexChange::between(stored.pending(), &pending);
            // The user is not notified of an event that is given up.
            let ends = stored.pending_change(pending, index);
            match self.record(&letter, Some(&ends), deadline).await? {
                None => return Ok(Recording::Stored),
                Some((found, doubt)) => {
                    in_doubt |= doubt;
                    stored = found;
                }
            }
        }
    }

    /// Records a letter. `Some` if the aggregate was changed after it was read, with whether the
    /// answer of an earlier try was lost.
    async fn record(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> Result<Option<(StoredAggregate, bool)>, Failure> {
        let (first, most) = (Duration::from_millis(20), Duration::from_millis(500));
        let pause = Backoff::new(first, most, seed(&letter.message_id));
        let record = |within| self.letters.record(letter, ends, within);
        let settled = until_settled(deadline, pause, record, |written, in_doubt| match written {
            Ok(()) => Some(None),
            Err(MoveCancelled { aggregate: ItemReason::ConditionFailed(Some(found)), .. }) => {
                Some(Some((found, in_doubt)))
            }
            Err(_) => None,
        });
        settled.await.map_err(|unsettled| unsettled.failure)
    }

    /// Announces a letter once. Its message is acknowledged even if the announcement fails.
    async fn announce(&self, letter: &DeadLetter, deadline: Deadline) -> DeliveryOutcome {
        let announcing = self.announcements.announce(letter);
        let settled = tokio::time::timeout(deadline.remaining(), announcing).await;
        let announced = matches!(settled, Ok(WriteTry::Done));
        if let Ok(settled) = settled {
            log_unless_done(&settled, "announced as a dead letter");
        }
        tracing::error!(
            reason = letter.reason,
            handler = letter.handler,
            attempts = letter.attempts,
            announced,
            "an event was given up"
        );
        DeliveryOutcome::GivenUp { announced }
    }
}

/// How many bytes of a body go into a letter: more than any store keeps, but a limit on the memory
/// that many long bodies at once need.
const LETTER_BODY_MAX: usize = 512 * 1024;

/// A letter with what the message itself contains.
fn letter_of(delivery: &impl Delivery, now: Timestamp) -> DeadLetter {
    let property = |name| delivery.property(name);
    let redeliveries = delivery.redeliveries();
    let body = delivery.body().unwrap_or_else(|_| delivery.raw_body());
    DeadLetter {
        event_id: property(contracts::message::EVENT_ID).and_then(|id| id.parse().ok()),
        aggregate: None,
        done_by: BTreeSet::new(),
        message_id: delivery.message_id().clone(),
        body: body.get(..LETTER_BODY_MAX).unwrap_or(body).to_vec(),
        body_bytes: body.len(),
        traceparent: property(contracts::message::TRACEPARENT).map(ToOwned::to_owned),
        reason: String::new(),
        handler: None,
        attempts: redeliveries.saturating_add(1),
        first_failed_at: first_failed_at(now, redeliveries),
        expires_at: Some(now.plus(lifetimes::DEAD_LETTER)),
    }
}

/// A seed that makes the waits of different letters differ, and those of one letter repeat.
fn seed(message_id: &MessageId) -> u64 {
    let mut hasher = DefaultHasher::new();
    message_id.hash(&mut hasher);
    hasher.finish()
}
