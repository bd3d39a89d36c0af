//! Redrives dead letters, so that their events are handled after all.
//!
//! For an event of ours, one write removes the letter and makes the event pending in its aggregate
//! again: from then on it can't be lost. It has a new publication, so that the old message is not
//! mistaken for the new one, and it keeps the marks of the handlers that were done. The message is
//! rebuilt from the aggregate.
//!
//! A letter of a foreign event has no aggregate: its event is published first, and the letter is
//! removed after the broker's answer. After a crash in between, the event is published and the
//! letter is still there.

mod examine;

use std::time::Duration;

use contracts::event::{DecodeError, Event};
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};
use domain::pending::PendingEvent;

use super::{PUBLICATION, WRITE};
use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::event::message_of;
use crate::events::StoredAggregate;
use crate::events::publish::{PublishStored, SendError};
use crate::lifetimes;
use crate::operations::discard_dead_letter::{DiscardError, remove_alone};
use crate::outcome::{Failure, FailureClass, ItemReason};
use crate::ports::pending::{AggregateChange, IndexChange, PendingEventStore};
use crate::ports::{
    Clock, DeadLetter, DeadLetterId, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval,
    IdentitySource, MoveCancelled, TransactionalPublisher,
};
use crate::retry::until_settled;

pub use examine::{ExamineDeadLetter, Examined, RedrivePlan};

pub struct Redrive<Letters, Aggregates, Identities, Publisher, Time> {
    pub letters: Letters,
    pub aggregates: Aggregates,
    pub identities: Identities,
    pub clock: Time,
    /// Publishes the events. `None` if no broker can be reached; then the sweep publishes an event
    /// of ours.
    pub publication: Option<PublishStored<Publisher, Time>>,
}

/// The letter was removed, and its event will be handled.
#[derive(Debug)]
pub struct Redriven {
    pub event_id: EventId,
    /// Whether the broker has acknowledged the event. If not, the sweep publishes it.
    pub is_published: bool,
}

/// A dead letter was not redriven, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    #[error("there is no such dead letter; it was redriven or discarded, or has expired")]
    NotFound,
    /// The letter's aggregate does not exist, or is older than the letter, as after a restore.
    #[error(
        "it is unchanged, because {0} is not there or has not raised its event: restore it first"
    )]
    NotRaised(AggregateKey),
    /// The letter's body is not an event. It would become a dead letter again.
    #[error("it can't be decoded, so it would only come back")]
    Undecodable(#[source] DecodeError),
    /// The letter's event is foreign and must be published, but there is no broker.
    #[error("no aggregate of this deployment raised its event, and no broker can be reached")]
    NeedsBroker,
    /// The table could not be read or written. Nothing was changed.
    #[error("it is unchanged, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// The broker has not acknowledged a foreign event. The letter stays.
    #[error("it is unchanged, because the broker has not acknowledged its event")]
    Send(#[source] SendError),
    /// A foreign event is on its topic, and the letter may still be there.
    #[error("its event was published, and its letter may still be there")]
    NotRemoved(#[source] DiscardError),
    /// The letter may have been redriven, or may still be redriven.
    #[error(
        "whether this redrove it is unknown: repeat it; if the letter is gone, it was redriven or \
         discarded"
    )]
    Unknown(#[source] Failure),
}

/// The result of one try to redrive an event of ours.
enum Returned {
    /// The event is pending with our publication.
    Ours(StoredAggregate),
    /// Somebody else has removed the letter.
    LetterNotFound,
    /// The letter is gone, after a try whose answer was lost.
    Unclear,
    /// The aggregate was changed meanwhile.
    Changed(StoredAggregate),
}

impl<Letters, Aggregates, Identities, Publisher, Time>
    Redrive<Letters, Aggregates, Identities, Publisher, Time>
where
    Letters: DeadLetterReader + DeadLetterMoves + DeadLetterRemoval,
    Aggregates: PendingEventStore,
    Identities: IdentitySource,
    Publisher: TransactionalPublisher,
    Time: Clock,
{
    /// Redrives a dead letter. The call may be repeated: a letter is removed only once.
    ///
    /// # Errors
    ///
    /// [`RedriveError`]. The call succeeds once an event of ours is pending again, because then the
    /// event will be published.
    pub async fn redrive(&self, id: &DeadLetterId) -> Result<Redriven, RedriveError> {
        let letter = find_letter(&self.letters, id).await?;
        match aggregate_of(&self.aggregates, &letter).await? {
            Some((stored, event_id)) => self.redrive_ours(&letter, stored, event_id).await,
            None => self.redrive_foreign(&letter).await,
        }
    }

    async fn redrive_ours(
        &self,
        letter: &DeadLetter,
        mut stored: StoredAggregate,
        event_id: EventId,
    ) -> Result<Redriven, RedriveError> {
        let new = self.identities.transaction_id();
        let deadline = Deadline::after(WRITE);
        loop {
            // An event that is pending already keeps its publication.
            let entry = stored.pending().get(event_id);
            let publication = entry.map_or(new, |entry| entry.transaction_id);
            let returned =
                self.try_to_return(letter, &stored, event_id, publication, deadline).await?;
            match returned {
                Returned::Ours(found) => {
                    let is_published = self.publish(&found, event_id, publication).await;
                    return Ok(Redriven { event_id, is_published });
                }
                Returned::LetterNotFound => return Err(RedriveError::NotFound),
                Returned::Unclear => {
                    let cause = "the letter is gone after a try whose answer was lost";
                    let failure = Failure::new(FailureClass::Unavailable, cause);
                    return Err(RedriveError::Unknown(failure));
                }
                Returned::Changed(found) => stored = found,
            }
        }
    }

    async fn try_to_return(
        &self,
        letter: &DeadLetter,
        stored: &StoredAggregate,
        event_id: EventId,
        publication: TransactionId,
        deadline: Deadline,
    ) -> Result<Returned, RedriveError> {
        let returns = self.return_to_aggregate(letter, stored, event_id, publication);
        let (first, most) = (Duration::from_millis(20), Duration::from_millis(500));
        let move_back = |within| DeadLetterMoves::remove(&self.letters, letter, &returns, within);
        let is_ours = |found: &StoredAggregate| {
            found.pending().get(event_id).is_some_and(|entry| entry.transaction_id == publication)
        };
        let pause = Backoff::new(first, most, 0);
        let settled =
            until_settled(deadline, pause, move_back, |written, in_doubt| match written {
                Ok(()) => {
                    let pending = returns.pending().clone();
                    Some(Returned::Ours(stored.clone().revised(pending)))
                }
                Err(MoveCancelled { letter: moved, aggregate }) => match aggregate {
                    // An earlier try of ours was stored, and its answer was lost.
                    ItemReason::ConditionFailed(Some(found))
                        if moved.condition_failed() && is_ours(&found) =>
                    {
                        Some(Returned::Ours(found))
                    }
                    // The item may be busy because of an earlier try of ours.
                    ItemReason::Busy => None,
                    // Maybe an earlier try of ours was stored, and the event has ended since.
                    _ if moved.condition_failed() && in_doubt => Some(Returned::Unclear),
                    _ if moved.condition_failed() => Some(Returned::LetterNotFound),
                    ItemReason::ConditionFailed(Some(found)) => Some(Returned::Changed(found)),
                    ItemReason::ConditionFailed(None) | ItemReason::None => None,
                },
            });
        settled.await.map_err(|unsettled| {
            if unsettled.in_doubt {
                RedriveError::Unknown(unsettled.failure)
            } else {
                RedriveError::Failed(unsettled.failure)
            }
        })
    }

    /// The change that makes an event pending again. An event that is pending already is not
    /// changed, and only its letter is removed.
    fn return_to_aggregate<'a>(
        &self,
        letter: &DeadLetter,
        stored: &'a StoredAggregate,
        event_id: EventId,
        publication: TransactionId,
    ) -> AggregateChange<'a> {
        let now = self.clock.now();
        let mut pending = stored.pending().clone();
        if !pending.holds(event_id) {
            let entry = if self.publication.is_some() {
                PendingEvent::sent(publication, now, now.plus(lifetimes::SWEEP_AFTER))
            } else {
                PendingEvent::unsent(publication, now)
            };
            pending.put(event_id, PendingEvent { done_by: letter.done_by.clone(), ..entry });
        }
        let index = IndexChange::between(stored.pending(), &pending);
        stored.pending_change(pending, index)
    }

    /// Publishes an event that is pending again. If that fails, the event is left to the sweep.
    async fn publish(
        &self,
        found: &StoredAggregate,
        event_id: EventId,
        publication: TransactionId,
    ) -> bool {
        let Some(publisher) = &self.publication else { return false };
        let within = Deadline::after(PUBLICATION);
        match publisher.send(found, event_id, publication, within).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(
                    %event_id,
                    error = &error as &dyn std::error::Error,
                    "a redriven event is left to the sweep"
                );
                false
            }
        }
    }

    async fn redrive_foreign(&self, letter: &DeadLetter) -> Result<Redriven, RedriveError> {
        let event = Event::decode(&letter.body).map_err(RedriveError::Undecodable)?;
        let publisher = self.publication.as_ref().ok_or(RedriveError::NeedsBroker)?;
        // JSON is UTF-8; only members that are ignored could hold other bytes.
        let body = String::from_utf8_lossy(&letter.body).into_owned();
        // No aggregate of this deployment raised it, so the message names none.
        let message = message_of(&event, body, letter.traceparent.clone(), None);
        let within = Deadline::after(PUBLICATION);
        let publication = self.identities.transaction_id();
        let sent = publisher.send_message(&message, publication, within).await;
        sent.map_err(RedriveError::Send)?;
        match remove_alone(&self.letters, letter, Deadline::after(WRITE)).await {
            // Somebody else has removed it meanwhile.
            Ok(()) | Err(DiscardError::NotFound) => {
                Ok(Redriven { event_id: message.event_id, is_published: true })
            }
            Err(error) => Err(RedriveError::NotRemoved(error)),
        }
    }
}

async fn find_letter(
    letters: &impl DeadLetterReader,
    id: &DeadLetterId,
) -> Result<DeadLetter, RedriveError> {
    letters.find(id).await.map_err(RedriveError::Failed)?.ok_or(RedriveError::NotFound)
}

/// The aggregate that raised a letter's event; `None` for a foreign event. If the letter names an
/// aggregate that does not have the event, the letter stays: as a foreign event it would be
/// acknowledged without a handler.
async fn aggregate_of(
    aggregates: &impl PendingEventStore,
    letter: &DeadLetter,
) -> Result<Option<(StoredAggregate, EventId)>, RedriveError> {
    let (Some(key), Some(event_id)) = (letter.aggregate, letter.event_id) else {
        return Ok(None);
    };
    let found = aggregates.find(key).await.map_err(RedriveError::Failed)?;
    let stored = found.filter(|stored| stored.raised(event_id));
    Ok(Some((stored.ok_or(RedriveError::NotRaised(key))?, event_id)))
}
