//! How long events have been pending.

use application::outcome::Failure;
use application::ports::Topic;
use application::ports::pending::PendingEventAges;
use aws_sdk_dynamodb::types::Select;
use domain::timestamp::Timestamp;
use futures::StreamExt;
use futures::stream;

use super::DynamoAggregates;
use super::index::{PENDING, SHARDS_AT_ONCE, all_shards};
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{number, text};

const IN_SHARD: &str = "#shard = :shard";

/// The sweep moves an aggregate in its shard whenever it reads it, so the position in the shard
/// does not show how old the events are.
const BEFORE: &str = "#since_ms < :before";

impl<Stock: Send + Sync> PendingEventAges for DynamoAggregates<Stock> {
    async fn any_pending_before(&self, at: Timestamp) -> Result<bool, Failure> {
        let reads = stream::iter(all_shards()).map(|(topic, shard)| self.any_in(topic, shard, at));
        let mut answers = reads.buffer_unordered(SHARDS_AT_ONCE);
        while let Some(any) = answers.next().await {
            if any? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<Stock: Send + Sync> DynamoAggregates<Stock> {
    /// Whether a shard has an event that has been pending since before `at`. Usually this reads one
    /// page, because events that have been pending for long are mostly due first.
    async fn any_in(&self, topic: Topic, shard: String, at: Timestamp) -> Result<bool, Failure> {
        let mut after = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(self.tables.with_events_of(topic))
                .index_name(PENDING)
                .key_condition_expression(IN_SHARD)
                .filter_expression(BEFORE)
                .set_expression_attribute_names(names(&[IN_SHARD, BEFORE]))
                .set_expression_attribute_values(values(vec![
                    (":shard", text(&shard)),
                    (":before", number(at.as_millis())),
                ]))
                .select(Select::Count)
                .set_exclusive_start_key(after)
                .send()
                .await
                .map_err(failure)?;
            if page.count > 0 {
                return Ok(true);
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(false);
            }
        }
    }
}
