//! Gives a dead letter's event another chance.
//!
//! Of an event of ours, the letter goes and the event is pending in its aggregate again, in one
//! write: from then on nothing can lose it. It has a new publication, so the message that was given
//! up is not taken for the redriven one, and it keeps the marks of the handlers that were done. What
//! is sent is rebuilt from the aggregate.
//!
//! A letter of a foreign event has no aggregate: it is published first, and removed after the
//! broker's answer. A crash in between leaves a copy and the letter.

mod examine;

use std::time::Duration;

use contracts::event::{DecodeError, Event};
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};
use domain::pending::PendingEvent;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::discard_dead_letter::{DiscardDeadLetter, DiscardError};
use crate::event::message_of;
use crate::events::StoredAggregate;
use crate::events::publish::{PublishStored, SendError};
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass, ItemReason};
use crate::ports::letters::{DeadLetterMoves, MoveCancelled};
use crate::ports::pending::{AggregateChange, IndexChange, PendingEventStore};
use crate::ports::{
    Clock, DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, IdentitySource,
    TransactionalPublisher,
};
use crate::retry::until_settled;

pub use examine::{Examined, WayBack};

/// How long the write may take, with all its tries.
const WRITE: Duration = Duration::from_secs(10);

/// How long a publication may take.
const PUBLICATION: Duration = Duration::from_secs(5);

/// Redrives dead letters.
pub struct Redrive<Letters, Aggregates, Identities, Publisher, Time> {
    /// Where dead letters are looked up, and where they leave.
    pub letters: Letters,
    /// The aggregates.
    pub aggregates: Aggregates,
    /// Makes identifiers.
    pub identities: Identities,
    /// The wall clock.
    pub clock: Time,
    /// Publishes; none where no broker can be reached, which leaves an event of ours to the sweep.
    pub publication: Option<PublishStored<Publisher, Time>>,
}

/// A dead letter is gone, and its event is on its way.
#[derive(Debug)]
pub struct Redriven {
    /// The event.
    pub event_id: EventId,
    /// Whether the broker has acknowledged it. The sweep publishes what it has not.
    pub is_published: bool,
}

/// A dead letter was not redriven, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is no such letter, or it is gone.
    #[error("there is no such dead letter; it was redriven or discarded, or has expired")]
    NotThere,
    /// Its aggregate is gone, or an older one than the letter.
    #[error(
        "it is unchanged, because {0} is not there or has not raised its event: restore it first"
    )]
    NotRaised(AggregateKey),
    /// It could only come back.
    #[error("it can't be decoded, so it would only come back")]
    Undecodable(#[source] DecodeError),
    /// Its event is foreign, and only the broker could take it.
    #[error("no aggregate of this deployment raised its event, and no broker can be reached")]
    NeedsBroker,
    /// Nothing was changed.
    #[error("it is unchanged, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// The broker has not acknowledged a foreign event, whose letter stays.
    #[error("it is unchanged, because the broker has not acknowledged its event")]
    Send(#[source] SendError),
    /// A foreign event is on its topic, and its letter may stay.
    #[error("its event was published, and its letter may still be there")]
    NotRemoved(#[source] DiscardError),
    /// It may have been, or be so soon.
    #[error(
        "whether this redrove it is unknown: repeat it; a letter that is gone was redriven or discarded"
    )]
    Unknown(#[source] Failure),
}

/// What a redrive of an event of ours comes to.
enum Returned {
    /// The event is pending under our publication.
    Ours(StoredAggregate),
    /// The letter is gone, and not by us.
    LetterGone,
    /// The letter is gone, after a try whose answer was lost.
    Unclear,
    /// The aggregate was changed meanwhile.
    Changed(StoredAggregate),
}

impl<Letters, Aggregates, Identities, Publisher, Time>
    Redrive<Letters, Aggregates, Identities, Publisher, Time>
where
    Letters: DeadLetterReader + DeadLetterMoves + DeadLetterRemoval + Clone,
    Aggregates: PendingEventStore,
    Identities: IdentitySource,
    Publisher: TransactionalPublisher,
    Time: Clock,
{
    /// Redrives a dead letter. It may be repeated: a letter leaves once.
    ///
    /// # Errors
    ///
    /// [`RedriveError`]. Once an event of ours is pending again there is none: it is published.
    pub async fn redrive(&self, id: &DeadLetterId) -> Result<Redriven, RedriveError> {
        let found = DeadLetterReader::find(&self.letters, id).await;
        let letter = found.map_err(RedriveError::Failed)?.ok_or(RedriveError::NotThere)?;
        match self.aggregate_of(&letter).await? {
            Some((stored, event_id)) => self.redrive_own(&letter, stored, event_id).await,
            None => self.redrive_foreign(&letter).await,
        }
    }

    /// The aggregate that raised a letter's event, if one of this deployment did. A letter that names
    /// one which does not know the event stays: as a foreign event it would be acknowledged without a
    /// handler.
    async fn aggregate_of(
        &self,
        letter: &DeadLetter,
    ) -> Result<Option<(StoredAggregate, EventId)>, RedriveError> {
        let (Some(key), Some(event_id)) = (letter.aggregate, letter.event_id) else {
            return Ok(None);
        };
        let found = PendingEventStore::find(&self.aggregates, key).await;
        let stored = found.map_err(RedriveError::Failed)?.filter(|stored| stored.raised(event_id));
        let stored = stored.ok_or(RedriveError::NotRaised(key))?;
        Ok(Some((stored, event_id)))
    }

    async fn redrive_own(
        &self,
        letter: &DeadLetter,
        mut stored: StoredAggregate,
        event_id: EventId,
    ) -> Result<Redriven, RedriveError> {
        let new = self.identities.transaction_id();
        let deadline = Deadline::after(WRITE);
        loop {
            // What is pending already keeps the name of its publication.
            let entry = stored.pending().get(event_id);
            let publication = entry.map_or(new, |entry| entry.transaction_id);
            let returned =
                self.try_to_return(letter, &stored, event_id, publication, deadline).await?;
            match returned {
                Returned::Ours(found) => {
                    let is_published = self.publish(&found, event_id, publication).await;
                    return Ok(Redriven { event_id, is_published });
                }
                Returned::LetterGone => return Err(RedriveError::NotThere),
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
        let returns = self.return_of(letter, stored, event_id, publication);
        let (first, most) = (Duration::from_millis(20), Duration::from_millis(500));
        let move_back = |within| DeadLetterMoves::redrive(&self.letters, letter, &returns, within);
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
                    // An earlier try of ours landed, and its answer was lost.
                    ItemReason::ConditionFailed(Some(found))
                        if moved.condition_failed() && is_ours(&found) =>
                    {
                        Some(Returned::Ours(found))
                    }
                    // A busy item may be what an earlier try of ours has left.
                    ItemReason::Busy => None,
                    // It may have been that try, whose event has ended since.
                    _ if moved.condition_failed() && in_doubt => Some(Returned::Unclear),
                    _ if moved.condition_failed() => Some(Returned::LetterGone),
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

    /// The event's return to its aggregate. One that is pending already stays as it is, and only the
    /// letter goes.
    fn return_of<'a>(
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

    /// Publishes what is pending again. What fails is left to the sweep.
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
        // JSON is UTF-8; only in members that nobody reads could there be anything else.
        let body = String::from_utf8_lossy(&letter.body).into_owned();
        // No aggregate of this deployment raised it, whatever it says.
        let message = message_of(&event, body, letter.traceparent.clone(), None);
        let within = Deadline::after(PUBLICATION);
        let publication = self.identities.transaction_id();
        let sent = publisher.send_message(&message, publication, within).await;
        sent.map_err(RedriveError::Send)?;
        let discard =
            DiscardDeadLetter { letters: self.letters.clone(), removal: self.letters.clone() };
        match discard.discard(&letter.id()).await {
            // Somebody else has removed it meanwhile.
            Ok(_) | Err(DiscardError::NotThere) => {
                Ok(Redriven { event_id: message.event_id, is_published: true })
            }
            Err(error) => Err(RedriveError::NotRemoved(error)),
        }
    }
}
