//! How late the outbox is.

use std::time::Duration;

use application::outcome::Failure;
use application::ports::OverdueEvents;
use aws_sdk_dynamodb::Client;
use domain::instant::Instant;
use futures::future::try_join_all;

use crate::config::EventsTable;
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{number, text};
use crate::keys;

/// The index of events that no consumer has seen yet: by shard, the earliest due first. It follows
/// the table within a second or so
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>).
const UNOBSERVED: &str = "unobserved";

const DUE_BEFORE: &str = "#unobserved = :shard AND #sweep_due_ms < :before";

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

    async fn any_before(&self, shard: String, before_ms: i64) -> Result<bool, Failure> {
        let found = self
            .client
            .query()
            .table_name(self.events.as_str())
            .index_name(UNOBSERVED)
            .key_condition_expression(DUE_BEFORE)
            .set_expression_attribute_names(names(&[DUE_BEFORE]))
            .set_expression_attribute_values(values(vec![
                (":shard", text(shard)),
                (":before", number(before_ms)),
            ]))
            .limit(1)
            .send()
            .await
            .map_err(failure)?;
        Ok(found.count() > 0)
    }
}

impl OverdueEvents for DynamoOverdueEvents {
    async fn any_overdue(&self, now: Instant, grace: Duration) -> Result<bool, Failure> {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let before_ms = now.as_millis().saturating_sub(grace_ms);
        let shards = keys::shards().map(|shard| self.any_before(shard, before_ms));
        Ok(try_join_all(shards).await?.contains(&true))
    }
}
