//! Reads many aggregates at once, for the health check and for operators.
//!
//! - `ages`: how long events have been pending
//! - `pending`: which aggregates have pending events
//! - `scan`: all aggregates

mod ages;
mod pending;
mod scan;

use application::ports::Topic;
use aws_sdk_dynamodb::Client;
use domain::pending::Rank;

use crate::aggregates::AggregateTables;
use crate::config::{OrdersTable, UsersTable};
use crate::keys;

pub use pending::PendingAggregatesPosition;

/// Reads many aggregates at once. Each port is in its own file and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `PendingEventAges`, `PendingAggregates` | `Query` of the indexes |
/// | `StoredAggregates` | `Scan` |
#[derive(Debug, Clone)]
pub struct DynamoAggregateReader {
    client: Client,
    tables: AggregateTables,
}

impl DynamoAggregateReader {
    /// Reads from these tables and their indexes.
    pub const fn new(client: Client, orders: OrdersTable, users: UsersTable) -> Self {
        Self { client, tables: AggregateTables { orders, users } }
    }
}

/// Every shard of both indexes, with the topic of its aggregates' events.
fn shards() -> impl Iterator<Item = (Topic, String)> {
    Topic::ALL.into_iter().flat_map(|topic| {
        let ranks = [Rank::First, Rank::Second].into_iter();
        ranks.flat_map(keys::pending_shards).map(move |shard| (topic, shard))
    })
}
