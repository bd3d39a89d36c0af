//! What the sweep looks at.

use application::outcome::Failure;
use application::ports::{DueEvent, DueEvents, OutboxCopy, RecordedEvent, UnobservedEvents};
use aws_sdk_dynamodb::Client;
use domain::identity::EventId;
use domain::timestamp::Timestamp;
use futures::future::join_all;

use crate::config::EventsTable;
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{CorruptRecord, Item, number, text};
use crate::keys;
use crate::reading::get;
use crate::records::EventRecord;

/// The index of events that no consumer has seen yet: by shard, the earliest due first. It follows
/// the table within a second or so
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>).
pub(crate) const UNOBSERVED: &str = "unobserved";

const DUE_BY: &str = "#unobserved = :shard AND #sweep_due_ms <= :latest";

/// Reads the index, and single events from the table itself.
#[derive(Debug, Clone)]
pub struct DynamoUnobservedEvents {
    client: Client,
    events: EventsTable,
}

impl DynamoUnobservedEvents {
    /// Reads from this table and its index.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }
}

impl UnobservedEvents for DynamoUnobservedEvents {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<DueEvents, Failure> {
        let per_shard = limit.div_ceil(usize::from(keys::SHARDS));
        let shards =
            keys::shards().map(|shard| due_in(&self.client, &self.events, shard, now, per_shard));
        let mut due = DueEvents::default();
        let mut last_failure = None;
        for shard in join_all(shards).await {
            match shard {
                Ok(DueEvents { events, more, unreadable }) => {
                    due.events.extend(events);
                    due.more |= more;
                    due.unreadable += unreadable;
                }
                Err(failure) => {
                    tracing::warn!(
                        error = &failure as &dyn std::error::Error,
                        "a shard of the outbox's index can't be read"
                    );
                    due.unreadable += 1;
                    last_failure = Some(failure);
                }
            }
        }
        match last_failure {
            Some(failure) if due.unreadable >= usize::from(keys::SHARDS) => Err(failure),
            _ => {
                due.events.sort_by_key(|due| due.sweep_due);
                Ok(due)
            }
        }
    }

    async fn find(&self, event_id: EventId) -> Result<Option<RecordedEvent>, Failure> {
        let found = outbox_copy(&self.client, &self.events, event_id).await?;
        Ok(found.and_then(OutboxCopy::unobserved))
    }
}

/// An event's outbox copy, as of the last write.
pub(crate) async fn outbox_copy(
    client: &Client,
    events: &EventsTable,
    event_id: EventId,
) -> Result<Option<OutboxCopy>, Failure> {
    let key = keys::simple(keys::event(event_id));
    let found: Option<EventRecord<'_>> = get(client, events.as_str(), key).await?;
    Ok(found.map(OutboxCopy::try_from).transpose()?)
}

/// The events of a shard that are due at `latest` or before, the earliest first, `limit` at most.
pub(crate) async fn due_in(
    client: &Client,
    events: &EventsTable,
    shard: String,
    latest: Timestamp,
    limit: usize,
) -> Result<DueEvents, Failure> {
    let found = client
        .query()
        .table_name(events.as_str())
        .index_name(UNOBSERVED)
        .key_condition_expression(DUE_BY)
        .set_expression_attribute_names(names(&[DUE_BY]))
        .set_expression_attribute_values(values(vec![
            (":shard", text(shard)),
            (":latest", number(latest.as_millis())),
        ]))
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .send()
        .await
        .map_err(failure)?;
    // The index holds keys alone, so a page of 1 MB is thousands of them: what doesn't fit into the
    // limit comes with the next look, once these are claimed.
    let mut page = DueEvents { more: found.items().len() >= limit, ..DueEvents::default() };
    for item in found.items() {
        match due(item) {
            Ok(event) => page.events.push(event),
            Err(error) => {
                tracing::error!(%error, "an item of the outbox's index can't be read");
                page.unreadable += 1;
            }
        }
    }
    Ok(page)
}

fn due(item: &Item) -> Result<DueEvent, CorruptRecord> {
    let pk = item.get("pk").and_then(|pk| pk.as_s().ok());
    let sweep_due = item.get("sweep_due_ms").and_then(|due| due.as_n().ok());
    let event_id = pk.and_then(|pk| keys::event_of(pk));
    let due_ms = sweep_due.and_then(|due| due.parse().ok());
    event_id
        .zip(due_ms)
        .map(|(event_id, ms)| DueEvent { event_id, sweep_due: Timestamp::from_millis(ms) })
        .ok_or_else(|| CorruptRecord::because("an item of the index is no event"))
}
