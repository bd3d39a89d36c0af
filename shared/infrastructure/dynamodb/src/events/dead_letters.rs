//! Dead letters: events that were given up, until an operator redrives or discards them.

mod moves;
mod reader;
mod removal;

use application::ports::DeadLetter;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::AggregateTables;
use crate::config::{DeadLettersTable, OrdersTable, UsersTable};
use crate::item::{Item, text};
use crate::keys;

/// The condition that a letter is the one that was read.
const SAME_LETTER: &str = "#message_id = :message_id";

fn key(letter: &DeadLetter) -> Item {
    keys::simple(keys::dead_letter(&letter.id()))
}

/// The value for [`SAME_LETTER`].
fn message_id_of(letter: &DeadLetter) -> Vec<(&'static str, AttributeValue)> {
    vec![(":message_id", text(letter.message_id.as_str()))]
}

/// Reads, discards and moves dead letters. Each port is in its own file and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `DeadLetterReader` | `GetItem`, `Scan` of the index `summaries` |
/// | `DeadLetterRemoval` | `DeleteItem` |
/// | `DeadLetterMoves` | `PutItem`, `DeleteItem`; `UpdateItem` of the tables of aggregates |
///
/// `Aggregates` are the tables of aggregates if events are moved between them and the letters. A
/// letter keeps the first 300 KiB of a body, because an item has at most 400 KB. Clones share the
/// client.
#[derive(Debug, Clone)]
pub struct DynamoDeadLetters<Aggregates = ()> {
    client: Client,
    letters: DeadLettersTable,
    aggregates: Aggregates,
}

impl DynamoDeadLetters {
    /// Reads letters from this table, and discards them.
    pub const fn new(client: Client, letters: DeadLettersTable) -> Self {
        Self { client, letters, aggregates: () }
    }

    /// Also moves events between the letters and their aggregates in these tables.
    pub fn with_aggregates(
        self,
        orders: OrdersTable,
        users: UsersTable,
    ) -> DynamoDeadLetters<AggregateTables> {
        let Self { client, letters, aggregates: () } = self;
        DynamoDeadLetters { client, letters, aggregates: AggregateTables { orders, users } }
    }
}
