//! Gives a dead letter's event another chance.
//!
//! A redrive is one transaction: the letter goes, and its event is in the outbox again as if it had
//! just been recorded, under its own `event_id`, unpublished, under a new attempt whose record is
//! COMMITTED. From then on nothing can lose it: it is published right away where a broker can be
//! reached, and by the sweep where not, and the sweep looks after it until a consumer has seen it.
//! A handler that has done its part finds its inbox record and does nothing.
//!
//! # Why the letter goes first
//!
//! An event that fails again is buried again, and a letter that is there already stays as it is.
//! Were the old one deleted after the publication, the deletion could hit the new one.
//!
//! # What is sent
//!
//! The outbox copy where there is one: it is whole, and it is what the transaction that raised the
//! event recorded. Another deployment's event has none, or had one that has expired; it is recorded
//! from the letter. The observation is forgotten with the letter, because nothing else would take
//! the event out of what the sweep looks at; observing it once more changes nothing else.
//!
//! The broker still holds the message that was given up, under the same key. It is another
//! attempt's, so the sweep does not take it for the redriven event's when that is lost *after* the
//! broker acknowledged it.

use std::time::Duration;

use contracts::event::Event;
use domain::identity::EventId;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::event::message_of;
use crate::outcome::Failure;
use crate::ports::{
    Clock, DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, IdentitySource,
    OutboundMessage, Outbox, OutboxReader, RecordedEvent, Redrive, TransactionalPublisher,
};
use crate::publish_recorded_event::{Publication, PublishError, PublishRecordedEvent};
use crate::redelivery::{RedeliveryRefused, accept};
use crate::retry::{Unsettled, until_settled};

/// How long the transaction may take, with all its tries.
const TRANSACTION: Duration = Duration::from_secs(10);

/// The use case with the ports it needs.
pub struct RedriveDeadLetter<L, R, E, N, O, P, K> {
    /// Where dead letters are looked up.
    pub letters: L,
    /// Where they leave.
    pub removal: R,
    /// Outbox copies.
    pub events: E,
    /// Makes identifiers.
    pub identities: N,
    /// Publishes what was redriven; none where no broker can be reached, which leaves it to the
    /// sweep.
    pub publication: Option<PublishRecordedEvent<O, P, K>>,
    /// The wall clock.
    pub clock: K,
}

/// A dead letter's event is in the outbox again.
#[derive(Debug)]
pub struct Redriven {
    /// The event.
    pub event_id: EventId,
    /// Whether it is on its topic already.
    pub publication: RedrivePublication,
}

/// Whether a redriven event is on its topic.
#[derive(Debug)]
pub enum RedrivePublication {
    /// The broker acknowledged it.
    Acknowledged,
    /// The sweep publishes it: no broker was to be asked, or the sweep was faster.
    LeftToSweep,
    /// The sweep publishes it, because this failed.
    Failed(PublishError),
}

/// A dead letter was not redriven, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is no such letter, or there is none any more.
    #[error("there is no such dead letter; it was redriven or discarded, or has expired")]
    NotThere,
    /// It must not be.
    #[error("it is not redriven")]
    Refused(#[source] RedeliveryRefused),
    /// Nothing was changed.
    #[error("it is unchanged, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// It may have been, or be so soon.
    #[error(
        "whether this redrove it is unknown: repeat it; a letter that is gone was redriven or discarded"
    )]
    Unknown(#[source] Failure),
}

/// A dead letter with what a redrive would make of it.
#[derive(Debug)]
pub struct Examined {
    /// The letter.
    pub letter: DeadLetter,
    /// The event as it would go on its topic, or why it wouldn't.
    pub redrive: Result<OutboundMessage, RedeliveryRefused>,
}

impl<L, R, E, N, O, P, K> RedriveDeadLetter<L, R, E, N, O, P, K>
where
    L: DeadLetterReader,
    R: DeadLetterRemoval,
    E: OutboxReader,
    N: IdentitySource,
    O: Outbox,
    P: TransactionalPublisher,
    K: Clock,
{
    /// Tells what a redrive would do, without doing it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be found out.
    pub async fn examine(&self, id: &DeadLetterId) -> Result<Option<Examined>, Failure> {
        let Some(letter) = self.letters.find(id).await? else { return Ok(None) };
        let redrive = self.message_to_send(&letter).await?;
        Ok(Some(Examined { letter, redrive }))
    }

    /// Puts a dead letter's event back into the outbox and, where a broker can be reached, on its
    /// topic. It may be repeated: a letter leaves once.
    ///
    /// # Errors
    ///
    /// [`RedriveError`]. Once the event is in the outbox there is none: it will be published.
    pub async fn redrive(&self, id: &DeadLetterId) -> Result<Redriven, RedriveError> {
        let examined = self.examine(id).await.map_err(RedriveError::Failed)?;
        let Examined { letter, redrive } = examined.ok_or(RedriveError::NotThere)?;
        let message = redrive.map_err(RedriveError::Refused)?;
        let now = self.clock.now();
        let event = RecordedEvent {
            message,
            transaction_id: self.identities.transaction_id(),
            recorded_at: now,
            unpublished: true,
            sweep_due: now,
        };
        self.release(&Redrive { letter: &letter, event: &event }).await?;
        let publication = self.publish(&event).await;
        Ok(Redriven { event_id: event.message.event_id, publication })
    }

    async fn message_to_send(
        &self,
        letter: &DeadLetter,
    ) -> Result<Result<OutboundMessage, RedeliveryRefused>, Failure> {
        let now = self.clock.now();
        let told = Event::decode(&letter.body).ok().map(|event| EventId::new(event.id));
        let copy = match told.or(letter.event_id) {
            Some(event_id) => self.events.find(event_id).await?,
            None => None,
        };
        let first_failed_at = Some(letter.first_failed_at);
        let Some(copy) = copy else {
            if !letter.is_whole() {
                let kept = letter.body.len();
                return Ok(Err(RedeliveryRefused::CutOff { kept, whole: letter.body_bytes }));
            }
            return Ok(accept(&letter.body, first_failed_at, now).map(|event| {
                // JSON is UTF-8; only in members that nobody reads could there be anything else.
                let body = String::from_utf8_lossy(&letter.body).into_owned();
                message_of(&event, body, letter.traceparent.clone())
            }));
        };
        let accepted = accept(copy.message.body.as_bytes(), first_failed_at, now);
        Ok(accepted.map(|_| copy.message))
    }

    /// Repeats the transaction until it is done, is found to be impossible, or its time is over.
    async fn release(&self, redrive: &Redrive<'_>) -> Result<(), RedriveError> {
        let deadline = Deadline::after(TRANSACTION);
        let pause = Backoff::new(Duration::from_millis(20), Duration::from_millis(500), 0);
        let release = |within| self.removal.redrive(redrive, within);
        let settled = until_settled(deadline, pause, release, |written, _| match written {
            Ok(()) => Some(Ok(())),
            Err(cancelled) if cancelled.done_before => Some(Ok(())),
            // A busy item may be the record that an earlier try of ours has left.
            Err(cancelled) if cancelled.letter_gone && !cancelled.busy => {
                Some(Err(RedriveError::NotThere))
            }
            Err(_) => None,
        });
        settled.await.unwrap_or_else(|unsettled| Err(given_up(unsettled)))
    }

    async fn publish(&self, event: &RecordedEvent) -> RedrivePublication {
        let Some(publication) = &self.publication else { return RedrivePublication::LeftToSweep };
        match publication.publish(event).await {
            Ok(Publication::Acknowledged) => RedrivePublication::Acknowledged,
            Ok(Publication::NotOurs) => RedrivePublication::LeftToSweep,
            Err(error) => RedrivePublication::Failed(error),
        }
    }
}

fn given_up(Unsettled { failure, in_doubt }: Unsettled) -> RedriveError {
    if in_doubt { RedriveError::Unknown(failure) } else { RedriveError::Failed(failure) }
}
