use std::collections::BTreeMap;

use application::event::event_type_of;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::event::EventStamp;
use domain::identity::{EventId, OrderId, TransactionId, UserId};
use domain::money::{Currency, Money};
use domain::order::{
    AtKey, Notification, OpenPeriod, Order, OrderRecord, OrderStatus, PricedLine, StatusChange,
    StoredOrder,
};
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order_line::LineRecord;
use super::{PendingRecord, SCHEMA_VERSION, binary};
use crate::item::{CorruptRecord, Item, from_item};
use crate::keys;

/// An order with everything that must be consistent with it: `USER#<user_id>` / `ORDER#<order_id>`.
///
/// It has no attribute `tombstone_until`, by which the table deletes items.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredOrderItem {
    pk: String,
    sk: String,
    schema_version: u32,
    order_id: String,
    user_id: u64,
    /// The last status of the history, for filters.
    status: String,
    currency: String,
    lines: Vec<LineRecord>,
    total: u64,
    /// The creation time, for an index. The identifier of an order with an `Idempotency-Key`
    /// contains no time.
    created_at_ms: i64,
    version: u32,
    revision: u64,
    /// The attempt that created the order, written once. Conditions check it, because only an order
    /// has it.
    #[serde(with = "binary")]
    attempt: [u8; 16],
    history: Vec<ChangeRecord>,
    /// When the user was notified, by event. The map exists from the beginning, because an
    /// update cannot add to a map that does not exist.
    notifications: BTreeMap<String, i64>,
    /// The pending events. This map also exists from the beginning.
    pending: BTreeMap<String, PendingRecord>,
    /// The index's shard. This attribute and the next two exist while an event is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    /// The index's sort key: when the earliest pending event is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_ms: Option<i64>,
    /// Since when the oldest event is pending, as of the last change of the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since_ms: Option<i64>,
}

/// A status of an order, when the order reached it, and the stamp of its event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangeRecord {
    status: String,
    at_ms: i64,
    #[serde(with = "binary")]
    event_id: [u8; 16],
    event_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// The number of the period in which the order's units count as open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_period: Option<i64>,
}

impl From<&StoredOrder> for StoredOrderItem {
    fn from(stored: &StoredOrder) -> Self {
        let StoredOrder { order, attempt, pending, revision } = stored;
        let (user_id, order_id) = (order.user_id(), order.id());
        let entry = |(event_id, event)| (EventId::to_string(&event_id), PendingRecord::from(event));
        Self {
            pk: keys::user(user_id),
            sk: keys::order(order_id),
            schema_version: SCHEMA_VERSION,
            order_id: order_id.to_string(),
            user_id: user_id.get(),
            status: order.status().as_str().to_owned(),
            currency: order.currency().code().to_owned(),
            lines: order.lines().iter().map(LineRecord::from).collect(),
            total: order.total().minor(),
            created_at_ms: order.created_at().as_millis(),
            version: order.version(),
            revision: *revision,
            attempt: *attempt.as_uuid().as_bytes(),
            history: order.history().iter().map(ChangeRecord::from).collect(),
            notifications: notifications_of(order).collect(),
            pending: pending.iter().map(entry).collect(),
            shard: (!pending.is_empty()).then(|| keys::pending_shard(pending.rank(), stored.key())),
            due_ms: pending.due().map(Timestamp::as_millis),
            since_ms: since(pending).map(Timestamp::as_millis),
        }
    }
}

/// Since when the oldest pending event is pending.
pub(crate) fn since(pending: &PendingEvents) -> Option<Timestamp> {
    pending.iter().map(|(_, event)| event.since).min()
}

/// The notifications by event. The history contains the event of each.
fn notifications_of(order: &Order) -> impl Iterator<Item = (String, i64)> {
    order.notifications().iter().filter_map(|notification| {
        let (_, change) = (1..)
            .zip(order.history().iter())
            .find(|(version, _)| *version == notification.aggregate_version)?;
        Some((change.event.event_id.to_string(), notification.at.as_millis()))
    })
}

/// Whether an item is an order, and not a tombstone.
pub(crate) fn is_order(item: &Item) -> bool {
    item.contains_key("attempt")
}

/// The order or the tombstone at an order's key. Attempts are read whatever the schema version; any
/// other part of an order that can't be read is logged.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is neither an order nor a tombstone.
pub(crate) fn at_key(item: Item) -> Result<AtKey, CorruptRecord> {
    if let Some(attempt) = item.get("attempt") {
        let attempt = attempt_of(attempt.as_b().ok())?;
        let stored = stored_order(item)
            .inspect_err(|error| tracing::error!(%error, "a stored order is unreadable"))
            .ok();
        return Ok(AtKey::Created { attempt, stored: stored.map(Box::new) });
    }
    let Some(AttributeValue::Bs(fenced)) = item.get("fenced") else {
        return Err(CorruptRecord::because("it is neither an order nor a tombstone"));
    };
    let fenced = fenced.iter().map(|attempt| attempt_of(Some(attempt)));
    Ok(AtKey::Tombstone(fenced.collect::<Result<_, _>>()?))
}

fn attempt_of(bytes: Option<&impl AsRef<[u8]>>) -> Result<TransactionId, CorruptRecord> {
    let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes.as_ref()).ok());
    let bytes = bytes.ok_or_else(|| CorruptRecord::because("an attempt is not 16 bytes"))?;
    Ok(TransactionId::new(Uuid::from_bytes(bytes)))
}

/// An order of this schema version, the one before or the one after, as far as its attributes
/// allow.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not such an order.
pub(crate) fn stored_order(item: Item) -> Result<StoredOrder, CorruptRecord> {
    from_item::<StoredOrderItem>(item)?.try_into()
}

impl TryFrom<StoredOrderItem> for StoredOrder {
    type Error = CorruptRecord;

    fn try_from(item: StoredOrderItem) -> Result<Self, CorruptRecord> {
        let id: OrderId = item.order_id.parse().map_err(CorruptRecord::because)?;
        let user_id = UserId::new(item.user_id).map_err(CorruptRecord::because)?;
        if item.pk != keys::user(user_id) || item.sk != keys::order(id) {
            return Err(CorruptRecord::because("its key does not match its identifiers"));
        }
        let history: Vec<StatusChange> =
            item.history.into_iter().map(StatusChange::try_from).collect::<Result<_, _>>()?;
        let order = Order::rehydrate(OrderRecord {
            id,
            user_id,
            currency: Currency::from_code(&item.currency)
                .ok_or_else(|| CorruptRecord::because("its currency is unknown"))?,
            lines: item.lines.iter().map(PricedLine::try_from).collect::<Result<_, _>>()?,
            total: Money::from_minor(item.total)
                .ok_or_else(|| CorruptRecord::because("its total is out of range"))?,
            notifications: notifications(&item.notifications, &history)?,
            history,
            version: item.version,
        })
        .map_err(CorruptRecord::because)?;
        if order.status().as_str() != item.status {
            return Err(CorruptRecord::because("its status is not the last of its history"));
        }
        let pending = item.pending.into_iter().map(|(event_id, entry)| {
            Ok((event_id.parse().map_err(CorruptRecord::because)?, entry.try_into()?))
        });
        Ok(Self {
            order,
            attempt: TransactionId::new(Uuid::from_bytes(item.attempt)),
            pending: pending.collect::<Result<_, CorruptRecord>>()?,
            revision: item.revision,
        })
    }
}

/// The notifications, with the types and versions of their events from the history.
fn notifications(
    stored: &BTreeMap<String, i64>,
    history: &[StatusChange],
) -> Result<Vec<Notification>, CorruptRecord> {
    let notification = |(event_id, at_ms): (&String, &i64)| {
        let event_id: EventId = event_id.parse().map_err(CorruptRecord::because)?;
        let (aggregate_version, change) =
            (1..).zip(history).find(|(_, change)| change.event.event_id == event_id).ok_or_else(
                || CorruptRecord::because("a notification's event is not in the history"),
            )?;
        Ok(Notification {
            event_type: event_type_of(change.status).as_str().to_owned(),
            aggregate_version,
            at: Timestamp::from_millis(*at_ms),
        })
    };
    stored.iter().map(notification).collect()
}

impl From<&StatusChange> for ChangeRecord {
    fn from(change: &StatusChange) -> Self {
        Self {
            status: change.status.as_str().to_owned(),
            at_ms: change.at.as_millis(),
            event_id: *change.event.event_id.as_uuid().as_bytes(),
            event_version: change.event.schema_version,
            traceparent: change.event.traceparent.clone(),
            open_period: change.open_period.map(OpenPeriod::number),
        }
    }
}

impl TryFrom<ChangeRecord> for StatusChange {
    type Error = CorruptRecord;

    fn try_from(record: ChangeRecord) -> Result<Self, CorruptRecord> {
        Ok(Self {
            status: OrderStatus::from_name(&record.status)
                .ok_or_else(|| CorruptRecord::because("a status is unknown"))?,
            at: Timestamp::from_millis(record.at_ms),
            event: EventStamp {
                event_id: EventId::new(Uuid::from_bytes(record.event_id)),
                schema_version: record.event_version,
                traceparent: record.traceparent,
            },
            open_period: record.open_period.map(OpenPeriod::new),
        })
    }
}

#[cfg(test)]
mod tests;
