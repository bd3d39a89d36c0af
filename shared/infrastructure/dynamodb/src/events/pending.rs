//! Lists the aggregates with pending events.

use application::outcome::Failure;
use application::ports::Page;
use application::ports::pending::PendingAggregates;
use domain::aggregate::AggregateKey;

use super::DynamoAggregates;
use super::index::{PENDING, all_shards, due_aggregate};
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{Item, text};

/// The most aggregates of one page.
const PAGE: i32 = 128;

const IN_SHARD: &str = "#shard = :shard";

/// Where a page ends: in a shard, by its number among the shards of all topics and ranks.
#[derive(Debug, Clone)]
pub struct PendingAggregatesPosition {
    shard: usize,
    /// The last item that was read in the shard; `None` at its beginning.
    last: Option<Item>,
}

impl<Stock: Send + Sync> PendingAggregates for DynamoAggregates<Stock> {
    type Position = PendingAggregatesPosition;

    async fn page(
        &self,
        after: Option<PendingAggregatesPosition>,
    ) -> Result<Page<AggregateKey, PendingAggregatesPosition>, Failure> {
        let position = after.unwrap_or(PendingAggregatesPosition { shard: 0, last: None });
        let Some((topic, shard)) = all_shards().nth(position.shard) else {
            return Ok(Page { items: Vec::new(), unreadable: 0, next: None });
        };
        let found = self
            .client
            .query()
            .table_name(self.tables.with_events_of(topic))
            .index_name(PENDING)
            .key_condition_expression(IN_SHARD)
            .set_expression_attribute_names(names(&[IN_SHARD]))
            .set_expression_attribute_values(values(vec![(":shard", text(shard))]))
            .limit(PAGE)
            .set_exclusive_start_key(position.last)
            .send()
            .await
            .map_err(failure)?;
        let next = following(position.shard, found.last_evaluated_key);
        let mut page = Page { items: Vec::new(), unreadable: 0, next };
        for item in found.items.unwrap_or_default() {
            match due_aggregate(&item) {
                Ok(due) => page.items.push(due.key),
                Err(error) => {
                    page.unreadable += 1;
                    tracing::warn!(%error, "an item of the index can't be read");
                }
            }
        }
        Ok(page)
    }
}

/// Where the next page begins: in the same shard, in the next one, or nowhere.
fn following(shard: usize, last: Option<Item>) -> Option<PendingAggregatesPosition> {
    if last.is_some() {
        return Some(PendingAggregatesPosition { shard, last });
    }
    let next = shard + 1;
    all_shards().nth(next).map(|_| PendingAggregatesPosition { shard: next, last: None })
}
