//! Reads the aggregates that are due for the sweep.

use application::outcome::Failure;
use application::ports::Topic;
use application::ports::pending::{DueAggregate, DueAggregates, PendingEventIndex};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::pending::Rank;
use domain::timestamp::Timestamp;
use futures::StreamExt;
use futures::stream;

use super::DynamoAggregates;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::{condition_held, failure};
use crate::expression::{Change, ItemUpdate, names, values};
use crate::item::{CorruptRecord, Item, number, text};
use crate::keys;

/// The index of aggregates with pending events: by shard, the earliest due first. Changes of the
/// table appear in it within about a second
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>).
pub(super) const PENDING: &str = "pending";

const DUE_BY: &str = "#shard = :shard AND #due_ms <= :latest";

/// How many shards are read at once.
pub(super) const SHARDS_AT_ONCE: usize = 16;

impl<Stock: Send + Sync> PendingEventIndex for DynamoAggregates<Stock> {
    async fn due(
        &self,
        topic: Topic,
        now: Timestamp,
        limit: usize,
    ) -> Result<DueAggregates, Failure> {
        let table = self.tables.with_events_of(topic);
        let mut due = DueAggregates::default();
        let mut is_anything_read = false;
        let mut last_failure = None;
        for rank in [Rank::First, Rank::Second] {
            let remaining = limit.saturating_sub(due.aggregates.len());
            if remaining == 0 {
                // This rank was not read, so it may have more.
                due.more = true;
                break;
            }
            let mut due_in_rank = Vec::new();
            for shard in self.shards(table, rank, now, remaining).await {
                match shard {
                    Ok(DueAggregates { aggregates, more, unreadable }) => {
                        is_anything_read = true;
                        due_in_rank.extend(aggregates);
                        due.more |= more;
                        due.unreadable += unreadable;
                    }
                    Err(failure) => {
                        tracing::warn!(
                            error = &failure as &dyn std::error::Error,
                            "a shard of the index of pending events can't be read"
                        );
                        due.unreadable += 1;
                        last_failure = Some(failure);
                    }
                }
            }
            due_in_rank.sort_by_key(|aggregate| aggregate.due);
            due.aggregates.extend(due_in_rank);
        }
        match last_failure {
            Some(failure) if !is_anything_read => Err(failure),
            _ => Ok(due),
        }
    }

    async fn postpone(&self, due: &DueAggregate, until: Timestamp) -> Result<(), Failure> {
        let postponed = ItemUpdate::from(Change {
            key: keys::of_aggregate(due.key),
            update: "SET #due_ms = :until",
            condition: "#due_ms = :expected",
            values: vec![
                (":until", number(until.as_millis())),
                (":expected", number(due.due.as_millis())),
            ],
        });
        let call = postponed.on(self.client.update_item().table_name(self.tables.holding(due.key)));
        let written = call.customize().config_override(one_try(TRY_LIMIT)).send().await;
        // If the condition failed, another sweep has already moved the aggregate.
        condition_held(written).map(drop).map_err(failure)
    }
}

impl<Stock: Send + Sync> DynamoAggregates<Stock> {
    /// The due aggregates in each shard of a rank. Each shard gets a share of the limit.
    async fn shards(
        &self,
        table: &str,
        rank: Rank,
        now: Timestamp,
        limit: usize,
    ) -> Vec<Result<DueAggregates, Failure>> {
        let share = limit.div_ceil(usize::from(keys::PENDING_SHARDS));
        let shards = keys::pending_shards(rank).map(|shard| self.due_in(table, shard, now, share));
        stream::iter(shards).buffer_unordered(SHARDS_AT_ONCE).collect().await
    }

    /// About `limit` due aggregates of a shard, the earliest first.
    async fn due_in(
        &self,
        table: &str,
        shard: String,
        latest: Timestamp,
        limit: usize,
    ) -> Result<DueAggregates, Failure> {
        let mut due = DueAggregates::default();
        let mut after = None;
        // Usually there is one page. Unreadable items do not count towards the limit: they are
        // never claimed, so they would hide the items after them for ever.
        loop {
            let page = self
                .client
                .query()
                .table_name(table)
                .index_name(PENDING)
                .key_condition_expression(DUE_BY)
                .set_expression_attribute_names(names(&[DUE_BY]))
                .set_expression_attribute_values(values(vec![
                    (":shard", text(&shard)),
                    (":latest", number(latest.as_millis())),
                ]))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .set_exclusive_start_key(after)
                .send()
                .await
                .map_err(failure)?;
            for item in page.items() {
                match due_aggregate(item) {
                    Ok(aggregate) => due.aggregates.push(aggregate),
                    Err(error) => {
                        tracing::error!(%error, "an item of the index can't be read");
                        due.unreadable += 1;
                    }
                }
            }
            due.more = page.last_evaluated_key.is_some();
            after = page.last_evaluated_key;
            if !due.more || due.aggregates.len() >= limit {
                return Ok(due);
            }
        }
    }
}

/// Every shard of both indexes, with the topic of its aggregates' events.
pub(super) fn all_shards() -> impl Iterator<Item = (Topic, String)> {
    Topic::ALL.into_iter().flat_map(|topic| {
        let ranks = [Rank::First, Rank::Second].into_iter();
        ranks.flat_map(keys::pending_shards).map(move |shard| (topic, shard))
    })
}

pub(super) fn due_aggregate(item: &Item) -> Result<DueAggregate, CorruptRecord> {
    let text = |name| item.get(name).and_then(|value: &AttributeValue| value.as_s().ok());
    let due_ms = item.get("due_ms").and_then(|due| due.as_n().ok());
    let key = text("pk").zip(text("sk")).and_then(|(pk, sk)| keys::aggregate_of(pk, sk));
    let due = due_ms.and_then(|due| due.parse().ok()).map(Timestamp::from_millis);
    key.zip(due)
        .map(|(key, due)| DueAggregate { key, due })
        .ok_or_else(|| CorruptRecord::because("an item of the index is not an aggregate"))
}

#[cfg(test)]
mod tests {
    use domain::aggregate::AggregateKey;
    use domain::identity::{OrderId, UserId};

    use super::*;

    #[test]
    fn an_item_of_the_index_names_the_aggregate_and_when_it_is_due() {
        let user_id = UserId::new(123).unwrap();
        let order_id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mut item = keys::of_order(user_id, order_id);
        assert!(due_aggregate(&item).is_err());
        item.insert("due_ms".to_owned(), number(60_000));
        let (key, due) =
            (AggregateKey::Order { user_id, order_id }, Timestamp::from_millis(60_000));
        assert_eq!(due_aggregate(&item).unwrap(), DueAggregate { key, due });
        item.insert("sk".to_owned(), text("ACTIVITY#1"));
        assert!(due_aggregate(&item).is_err());
    }
}
