//! Scans all aggregates.

use application::events::StoredAggregate;
use application::outcome::Failure;
use application::ports::Page;
use application::ports::aggregates::{Segment, StoredAggregates};

use super::DynamoAggregates;
use super::store::read;
use crate::error::failure;
use crate::expression::names;
use crate::item::Item;
use crate::keys;

/// Only orders, accounts and sessions have this attribute; tombstones and the other items do not.
const IS_AGGREGATE: &str = "attribute_exists(#pending)";

impl<Stock: Send + Sync> StoredAggregates for DynamoAggregates<Stock> {
    /// The key of the last item that was read.
    type Position = Item;

    /// A page is at most 1 MB of the table.
    async fn page(
        &self,
        segment: Segment,
        after: Option<Item>,
    ) -> Result<Page<StoredAggregate, Item>, Failure> {
        let scanned = self
            .client
            .scan()
            .table_name(self.tables.with_events_of(segment.topic))
            .consistent_read(true)
            .segment(segment.index.into())
            .total_segments(segment.count.into())
            .filter_expression(IS_AGGREGATE)
            .set_expression_attribute_names(names(&[IS_AGGREGATE]))
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(failure)?;
        let mut page = Page { items: Vec::new(), unreadable: 0, next: scanned.last_evaluated_key };
        for item in scanned.items.unwrap_or_default() {
            let part = |name| item.get(name).and_then(|part| part.as_s().ok()).cloned();
            let (pk, sk) = (part("pk").unwrap_or_default(), part("sk").unwrap_or_default());
            match keys::aggregate_of(&pk, &sk).map(|key| read(key, item)) {
                Some(Ok(stored)) => page.items.push(stored),
                Some(Err(error)) => {
                    page.unreadable += 1;
                    tracing::warn!(%error, pk, sk, "an aggregate is unreadable");
                }
                None => page.unreadable += 1,
            }
        }
        Ok(page)
    }
}
