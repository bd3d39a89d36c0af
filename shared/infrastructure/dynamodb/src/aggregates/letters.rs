//! Into the dead letters and out of them, together with what is pending in the order.

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::DeadLetter;
use application::ports::letters::{DeadLetterMoves, MoveCancelled};
use application::ports::pending::OrderChange;
use aws_sdk_dynamodb::Client;

use super::change::update_of;
use crate::config::{EventsTable, OrdersTable};
use crate::connect::one_try;
use crate::error::failed_try;
use crate::item::{CorruptRecord, text, to_item};
use crate::keys;
use crate::records::{DeadLetterRecord, stored_order};
use crate::transaction::{Reasons, Transaction, too_late, write};

/// That a letter is the one that was read.
const SAME_LETTER: &str = "#message_id = :message_id";

/// Moves events between their orders and the dead letters. Of a body it keeps the first 300 KiB,
/// because an item holds 400 KB.
#[derive(Debug, Clone)]
pub struct DynamoDeadLetterMoves {
    client: Client,
    orders: OrdersTable,
    letters: EventsTable,
}

impl DynamoDeadLetterMoves {
    /// Writes to these tables: letters are in the table of events.
    pub const fn new(client: Client, orders: OrdersTable, letters: EventsTable) -> Self {
        Self { client, orders, letters }
    }

    fn burial(&self, letter: &DeadLetter, ends: &OrderChange<'_>) -> Result<Transaction, Failure> {
        Transaction::default()
            .put(self.letters.as_str(), &DeadLetterRecord::from(letter))?
            .update(self.orders.as_str(), update_of(ends)?)
    }

    fn return_of(
        &self,
        letter: &DeadLetter,
        returns: &OrderChange<'_>,
    ) -> Result<Transaction, Failure> {
        let key = keys::simple(keys::dead_letter(&letter.id()));
        let same = vec![(":message_id", text(&letter.message_id))];
        Transaction::default()
            .delete_if(self.letters.as_str(), key, SAME_LETTER, same)?
            .update(self.orders.as_str(), update_of(returns)?)
    }

    /// Records a letter of an event that no order waits for.
    async fn put_alone(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<MoveCancelled> {
        if deadline.has_passed() {
            return WriteTry::Refused(too_late());
        }
        let item = match to_item(&DeadLetterRecord::from(letter)) {
            Ok(item) => item,
            Err(failure) => return WriteTry::Refused(failure),
        };
        let put = self.client.put_item().table_name(self.letters.as_str()).set_item(Some(item));
        let one_try = one_try(deadline.remaining());
        match put.customize().config_override(one_try).send().await {
            Ok(_) => WriteTry::Done,
            Err(error) => failed_try(error),
        }
    }
}

/// The reasons in the order of the items of both transactions: the letter, the order.
fn cancelled(mut reasons: Reasons) -> MoveCancelled {
    MoveCancelled {
        letter: reasons.next_read(|_| Ok::<_, CorruptRecord>(())),
        aggregate: match reasons.next_read(stored_order) {
            ItemReason::None => ItemReason::None,
            ItemReason::Busy => ItemReason::Busy,
            ItemReason::ConditionFailed(found) => {
                ItemReason::ConditionFailed(found.map(StoredAggregate::Order))
            }
        },
    }
}

impl DeadLetterMoves for DynamoDeadLetterMoves {
    async fn bury(
        &self,
        letter: &DeadLetter,
        ends: Option<&OrderChange<'_>>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        match ends {
            Some(ends) => write(self.burial(letter, ends), &self.client, deadline, cancelled).await,
            None => self.put_alone(letter, deadline).await,
        }
    }

    async fn redrive(
        &self,
        letter: &DeadLetter,
        returns: &OrderChange<'_>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        write(self.return_of(letter, returns), &self.client, deadline, cancelled).await
    }
}
