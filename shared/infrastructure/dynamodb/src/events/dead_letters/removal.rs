//! Discards dead letters.

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{DeadLetter, DeadLetterRemoval, LetterNotFound};

use super::{DynamoDeadLetters, SAME_LETTER, key, message_id_of};
use crate::connect::one_try;
use crate::error::{condition_held, failed_try};
use crate::expression::{names, values};
use crate::transaction::too_late;

impl<Aggregates: Send + Sync> DeadLetterRemoval for DynamoDeadLetters<Aggregates> {
    async fn discard(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<LetterNotFound> {
        if deadline.has_passed() {
            return WriteTry::NotBegun(too_late());
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
