use application::outcome::{Failure, FailureClass};
use application::ports::{OutboxCopy, OutboxReader, Page, PendingEvents, RecordedEvent};
use aws_sdk_dynamodb::Client;
use domain::identity::EventId;
use futures::StreamExt;
use futures::stream;

use crate::config::EventsTable;
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{Item, text};
use crate::keys;
use crate::unobserved::{UNOBSERVED, outbox_copy};

/// How many events a page has at the most.
const PAGE: i32 = 128;

/// How many of them are read at once.
const READS_AT_ONCE: usize = 16;

const IN_SHARD: &str = "#unobserved = :shard";

/// Reads outbox copies, and the index of those that no consumer has seen, shard by shard.
#[derive(Debug, Clone)]
pub struct DynamoOutboxReader {
    client: Client,
    events: EventsTable,
}

/// Where a page of the index ends.
#[derive(Debug, Clone)]
pub struct PendingPosition {
    shard: usize,
    /// The last item of the shard that was read; none where the shard begins.
    last: Option<Item>,
}

impl DynamoOutboxReader {
    /// Reads from this table and its index.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }

    /// The events that the index tells of a shard from there on, and where it ended.
    async fn told(
        &self,
        shard: String,
        after: Option<Item>,
    ) -> Result<(Vec<EventId>, Option<Item>), Failure> {
        let found = self
            .client
            .query()
            .table_name(self.events.as_str())
            .index_name(UNOBSERVED)
            .key_condition_expression(IN_SHARD)
            .set_expression_attribute_names(names(&[IN_SHARD]))
            .set_expression_attribute_values(values(vec![(":shard", text(shard))]))
            .limit(PAGE)
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(failure)?;
        let items = found.items.unwrap_or_default();
        Ok((items.iter().filter_map(event_of).collect(), found.last_evaluated_key))
    }
}

impl OutboxReader for DynamoOutboxReader {
    async fn find(&self, event_id: EventId) -> Result<Option<OutboxCopy>, Failure> {
        outbox_copy(&self.client, &self.events, event_id).await
    }
}

impl PendingEvents for DynamoOutboxReader {
    type Position = PendingPosition;

    async fn page(
        &self,
        after: Option<PendingPosition>,
    ) -> Result<Page<RecordedEvent, PendingPosition>, Failure> {
        let at = after.unwrap_or(PendingPosition { shard: 0, last: None });
        let Some(shard) = keys::shards().nth(at.shard) else {
            return Ok(Page { items: Vec::new(), unreadable: 0, next: None });
        };
        let (told, last) = self.told(shard, at.last).await?;
        let next = following(at.shard, last);
        let mut page = Page { items: Vec::new(), unreadable: 0, next };
        let reads =
            stream::iter(told).map(|event_id| outbox_copy(&self.client, &self.events, event_id));
        let mut reads = reads.buffered(READS_AT_ONCE);
        while let Some(read) = reads.next().await {
            match read {
                // A consumer may have seen it since the index told of it.
                Ok(copy) => page.items.extend(copy.and_then(OutboxCopy::unobserved)),
                Err(failure) if failure.class == FailureClass::Permanent => {
                    page.unreadable += 1;
                    tracing::warn!(
                        error = &failure as &dyn std::error::Error,
                        "an outbox copy is unreadable"
                    );
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(page)
    }
}

/// Where the next page begins: in the same shard, in the next one, or nowhere.
fn following(shard: usize, last: Option<Item>) -> Option<PendingPosition> {
    if last.is_some() {
        return Some(PendingPosition { shard, last });
    }
    let next = shard + 1;
    (next < usize::from(keys::SHARDS)).then_some(PendingPosition { shard: next, last: None })
}

fn event_of(item: &Item) -> Option<EventId> {
    keys::event_of(item.get("pk")?.as_s().ok()?)
}
