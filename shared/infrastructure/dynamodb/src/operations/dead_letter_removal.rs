use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{
    DeadLetter, DeadLetterRemoval, LetterGone, OBSERVER, Redrive, RedriveCancelled,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::config::EventsTable;
use crate::connect::one_try;
use crate::error::{condition_held, failed_try};
use crate::expression::{names, values};
use crate::item::{Item, text};
use crate::keys;
use crate::records::{EventRecord, TransactionRecord};
use crate::transaction::{Reasons, Transaction, write};

/// That a letter is the one that was read.
const SAME_LETTER: &str = "#message_id = :message_id";

/// Takes letters out of the dead letters.
#[derive(Debug, Clone)]
pub struct DynamoDeadLetterRemoval {
    client: Client,
    events: EventsTable,
}

impl DynamoDeadLetterRemoval {
    /// Writes to this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }

    fn transaction(&self, redrive: &Redrive<'_>) -> Result<Transaction, Failure> {
        let Redrive { letter, event } = redrive;
        let events = self.events.as_str();
        let attempt = TransactionRecord::committed(event.transaction_id, event.recorded_at);
        let observed = keys::simple(keys::inbox(OBSERVER, event.message.event_id));
        Transaction::default()
            .under(event.transaction_id)
            .put_if_absent(events, &attempt)?
            .delete_if(events, key(letter), SAME_LETTER, same(letter))?
            .put(events, &EventRecord::from(*event))?
            .delete(events, observed)
    }
}

fn key(letter: &DeadLetter) -> Item {
    keys::simple(keys::dead_letter(&letter.id()))
}

fn same(letter: &DeadLetter) -> Vec<(&'static str, AttributeValue)> {
    vec![(":message_id", text(&letter.message_id))]
}

/// The reasons in the order of the transaction's items.
fn cancelled(mut reasons: Reasons) -> RedriveCancelled {
    let (attempt, letter) = (reasons.next(), reasons.next());
    RedriveCancelled {
        done_before: attempt.condition_failed(),
        letter_gone: letter.condition_failed(),
        busy: [attempt, letter, reasons.next(), reasons.next()].iter().any(|one| one.is_busy()),
    }
}

impl DeadLetterRemoval for DynamoDeadLetterRemoval {
    async fn redrive(
        &self,
        redrive: &Redrive<'_>,
        deadline: Deadline,
    ) -> WriteTry<RedriveCancelled> {
        write(self.transaction(redrive), &self.client, deadline, cancelled).await
    }

    async fn discard(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<LetterGone> {
        if deadline.has_passed() {
            let cause = "its deadline passed before it was sent";
            return WriteTry::Refused(Failure::new(FailureClass::Unavailable, cause));
        }
        let deleted = self
            .client
            .delete_item()
            .table_name(self.events.as_str())
            .set_key(Some(key(letter)))
            .condition_expression(SAME_LETTER)
            .set_expression_attribute_names(names(&[SAME_LETTER]))
            .set_expression_attribute_values(values(same(letter)))
            .customize()
            .config_override(one_try(deadline.remaining()))
            .send()
            .await;
        match condition_held(deleted) {
            Ok(true) => WriteTry::Done,
            Ok(false) => WriteTry::Cancelled(LetterGone),
            Err(error) => failed_try(error),
        }
    }
}
