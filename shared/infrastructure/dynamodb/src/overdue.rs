//! How late the outbox is.

use std::time::Duration;

use application::outcome::Failure;
use application::ports::OverdueEvents;
use aws_sdk_dynamodb::Client;
use domain::timestamp::Timestamp;
use futures::future::try_join_all;

use crate::config::EventsTable;
use crate::keys;
use crate::unobserved::due_in;

/// Asks every shard of the index for its earliest event.
#[derive(Debug, Clone)]
pub struct DynamoOverdueEvents {
    client: Client,
    events: EventsTable,
}

impl DynamoOverdueEvents {
    /// Reads from this table's index.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }
}

impl OverdueEvents for DynamoOverdueEvents {
    async fn any_overdue(&self, now: Timestamp, grace: Duration) -> Result<bool, Failure> {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        // More than the grace: what is due exactly then isn't overdue yet.
        let latest =
            Timestamp::from_millis(now.as_millis().saturating_sub(grace_ms).saturating_sub(1));
        let shards =
            keys::shards().map(|shard| due_in(&self.client, &self.events, shard, latest, 1));
        Ok(try_join_all(shards).await?.iter().any(|due| !due.events.is_empty()))
    }
}
