//! Reads many aggregates at once, for the health check and for operators.

use application::ports::Topic;
use aws_sdk_dynamodb::Client;
use domain::pending::Rank;

use super::AggregateTables;
use crate::config::{OrdersTable, UsersTable};
use crate::keys;

/// Reads many aggregates at once. Each port is in its own file and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `PendingEventAges`, `PendingAggregates` | `Query` of the indexes |
/// | `StoredAggregates` | `Scan` |
#[derive(Debug, Clone)]
pub struct DynamoAggregateReader {
    pub(super) client: Client,
    pub(super) tables: AggregateTables,
}

impl DynamoAggregateReader {
    /// Reads from these tables and their indexes.
    pub const fn new(client: Client, orders: OrdersTable, users: UsersTable) -> Self {
        Self { client, tables: AggregateTables { orders, users } }
    }
}

/// Every shard of both indexes, with the topic of its aggregates' events.
pub(super) fn shards() -> impl Iterator<Item = (Topic, String)> {
    Topic::ALL.into_iter().flat_map(|topic| {
        let ranks = [Rank::First, Rank::Second].into_iter();
        ranks.flat_map(keys::pending_shards).map(move |shard| (topic, shard))
    })
}
