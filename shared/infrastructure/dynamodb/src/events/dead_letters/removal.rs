use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{DeadLetter, DeadLetterRemoval, LetterNotFound};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::config::DeadLettersTable;
use crate::connect::one_try;
use crate::error::{condition_held, failed_try};
use crate::expression::{names, values};
use crate::item::{Item, text};
use crate::keys;
use crate::transaction::too_late;

/// The condition that a letter is the one that was read.
const SAME_LETTER: &str = "#message_id = :message_id";

/// Discards dead letters.
#[derive(Debug, Clone)]
pub struct DynamoDeadLetterRemoval {
    client: Client,
    letters: DeadLettersTable,
}

impl DynamoDeadLetterRemoval {
    /// Writes to this table.
    pub const fn new(client: Client, letters: DeadLettersTable) -> Self {
        Self { client, letters }
    }
}

fn key(letter: &DeadLetter) -> Item {
    keys::simple(keys::dead_letter(&letter.id()))
}

fn message_id_of(letter: &DeadLetter) -> Vec<(&'static str, AttributeValue)> {
    vec![(":message_id", text(&letter.message_id))]
}

impl DeadLetterRemoval for DynamoDeadLetterRemoval {
    async fn discard(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<LetterNotFound> {
        if deadline.has_passed() {
            return WriteTry::Refused(too_late());
        }
        let deleted = self
            .client
            .delete_item()
            .table_name(self.letters.as_str())
            .set_key(Some(key(letter)))
            .condition_expression(SAME_LETTER)
            .set_expression_attribute_names(names(&[SAME_LETTER]))
            .set_expression_attribute_values(values(message_id_of(letter)))
            .customize()
            .config_override(one_try(deadline.remaining()))
            .send()
            .await;
        match condition_held(deleted) {
            Ok(true) => WriteTry::Done,
            Ok(false) => WriteTry::Cancelled(LetterNotFound),
            Err(error) => failed_try(error),
        }
    }
}
