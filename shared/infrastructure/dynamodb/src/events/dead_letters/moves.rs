//! Moves events to the dead letters and back, together with the pending events of the aggregate.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::pending::AggregateChange;
use application::ports::{DeadLetter, DeadLetterMoves, MoveCancelled};
use domain::aggregate::AggregateKey;

use super::{DynamoDeadLetters, SAME_LETTER, key, message_id_of};
use crate::connect::one_try;
use crate::error::failed_try;
use crate::events::AggregateTables;
use crate::events::change::{update_of, update_of_given_up};
use crate::events::store::read;
use crate::item::to_item;
use crate::records::DeadLetterRecord;
use crate::transaction::{Reasons, Transaction, too_late, write};

impl DynamoDeadLetters<AggregateTables> {
    fn recording(
        &self,
        letter: &DeadLetter,
        ends: &AggregateChange<'_>,
    ) -> Result<Transaction, Failure> {
        Transaction::default()
            .put(self.letters.as_str(), &DeadLetterRecord::from(letter))?
            .update(self.aggregates.holding(ends.key()), update_of_given_up(ends)?)
    }

    fn removal(
        &self,
        letter: &DeadLetter,
        change: &AggregateChange<'_>,
    ) -> Result<Transaction, Failure> {
        Transaction::default()
            .delete_if(self.letters.as_str(), key(letter), SAME_LETTER, message_id_of(letter))?
            .update(self.aggregates.holding(change.key()), update_of(change)?)
    }

    /// Stores a letter of an event that no aggregate waits for.
    async fn put_alone(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<MoveCancelled> {
        if deadline.has_passed() {
            return WriteTry::NotBegun(too_late());
        }
        let item = match to_item(&DeadLetterRecord::from(letter)) {
            Ok(item) => item,
            Err(failure) => return WriteTry::NotBegun(failure),
        };
        let put = self.client.put_item().table_name(self.letters.as_str()).set_item(Some(item));
        let one_try = one_try(deadline.remaining());
        match put.customize().config_override(one_try).send().await {
            Ok(_) => WriteTry::Done,
            Err(error) => failed_try(error),
        }
    }
}

/// The reasons in the order of the items of both transactions: the letter, the aggregate.
fn cancelled(mut reasons: Reasons, key: AggregateKey) -> MoveCancelled {
    MoveCancelled {
        letter: reasons.next_unread(),
        aggregate: reasons.next_read(|item| read(key, item)),
    }
}

impl DeadLetterMoves for DynamoDeadLetters<AggregateTables> {
    async fn record(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        match ends {
            Some(ends) => {
                let recording = self.recording(letter, ends);
                let cancelled = |reasons| cancelled(reasons, ends.key());
                write(recording, &self.client, deadline, cancelled).await
            }
            None => self.put_alone(letter, deadline).await,
        }
    }

    async fn remove(
        &self,
        letter: &DeadLetter,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        let cancelled = |reasons| cancelled(reasons, change.key());
        write(self.removal(letter, change), &self.client, deadline, cancelled).await
    }
}
