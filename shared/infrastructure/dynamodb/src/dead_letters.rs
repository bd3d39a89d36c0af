//! Events that were given up.

use application::deadline::Deadline;
use application::outcome::{Failure, Settled, WriteTry};
use application::ports::{DeadLetter, DeadLetters, EffectCancelled};
use aws_sdk_dynamodb::Client;
use domain::identity::EventId;
use domain::timestamp::Timestamp;

use crate::config::EventsTable;
use crate::expression::{Change, PRESENT};
use crate::item::number;
use crate::keys;
use crate::records::DeadLetterRecord;
use crate::transaction::{Part, Transaction, effect_cancelled, write};

/// Records dead letters. Of a body it keeps the first 300 KiB, because an item holds 400 KB.
#[derive(Debug, Clone)]
pub struct DynamoDeadLetters {
    client: Client,
    events: EventsTable,
}

/// An item was busy, so that nothing was stored.
#[derive(Debug, thiserror::Error)]
#[error("another write was under way")]
struct Busy;

impl DynamoDeadLetters {
    /// Writes to this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }

    /// Puts the letter, and takes `unobserved` out of the index with it.
    async fn write(
        &self,
        letter: &DeadLetter,
        unobserved: Option<EventId>,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let record = DeadLetterRecord::from(letter);
        let mut transaction = Transaction::default().put_if_absent(self.events.as_str(), &record);
        if let Some(event_id) = unobserved {
            let given_up = given_up(event_id, letter.expires_at);
            transaction =
                transaction.and_then(|started| started.update(self.events.as_str(), given_up));
        }
        write(transaction, &self.client, deadline, |reasons| {
            effect_cancelled(reasons, &[Part::Inbox, Part::Subject])
        })
        .await
    }
}

/// The end of what the sweep does for an event. A consumer has received it, so its copy need not
/// outlive its letter, and not for ever.
fn given_up(event_id: EventId, keep_until: Option<Timestamp>) -> Change {
    let key = keys::simple(keys::event(event_id));
    match keep_until {
        Some(until) => Change {
            key,
            update: "SET #expires_at = :until REMOVE #unobserved, #sweep_due_ms, #unpublished",
            condition: PRESENT,
            values: vec![(":until", number(until.as_secs()))],
        },
        None => Change {
            key,
            update: "REMOVE #unobserved, #sweep_due_ms, #unpublished",
            condition: PRESENT,
            values: Vec::new(),
        },
    }
}

impl DeadLetters for DynamoDeadLetters {
    async fn bury(&self, letter: &DeadLetter, deadline: Deadline) -> Settled {
        let first = self.write(letter, letter.event_id, deadline).await;
        let outcome = match first {
            // A foreign event, or one that has expired, has no outbox copy.
            WriteTry::Cancelled(EffectCancelled {
                handled: false,
                subject_refused: true,
                busy: false,
                ..
            }) => self.write(letter, None, deadline).await,
            other => other,
        };
        match outcome {
            WriteTry::Done | WriteTry::Cancelled(EffectCancelled { handled: true, .. }) => {
                Settled::Done
            }
            WriteTry::Cancelled(_) => Settled::Refused(Busy.into()),
            WriteTry::Refused(Failure { cause, .. }) => Settled::Refused(cause),
            WriteTry::Unknown(failure) => Settled::Unknown(failure),
        }
    }
}
