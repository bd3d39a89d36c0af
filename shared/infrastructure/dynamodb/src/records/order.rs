use domain::event::EventStamp;
use domain::identity::{OrderId, UserId};
use domain::money::{Currency, Money};
use domain::order::{Notification, Order, OrderRecord, OrderStatus, PricedLine, StatusChange};
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use super::order_line::LineRecord;
use crate::item::CorruptRecord;
use crate::keys;

/// An order: `USER#<user_id>` / `ORDER#<order_id>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderItem {
    pk: String,
    sk: String,
    schema_version: u32,
    order_id: String,
    user_id: u64,
    /// The last one of the history, for conditions and filters.
    status: String,
    currency: String,
    lines: Vec<LineRecord>,
    total: u64,
    history: Vec<StatusChangeRecord>,
    notifications: Vec<NotificationRecord>,
    version: u32,
}

/// A status and when the order reached it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatusChangeRecord {
    status: String,
    at_ms: i64,
    event_id: String,
    event_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// That the customer was told of an event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotificationRecord {
    event_type: String,
    aggregate_version: u32,
    at_ms: i64,
}

impl From<&Order> for OrderItem {
    fn from(order: &Order) -> Self {
        Self {
            pk: keys::user(order.user_id()),
            sk: keys::order(order.id()),
            schema_version: SCHEMA_VERSION,
            order_id: order.id().to_string(),
            user_id: order.user_id().get(),
            status: order.status().as_str().to_owned(),
            currency: order.currency().code().to_owned(),
            lines: order.lines().iter().map(LineRecord::from).collect(),
            total: order.total().minor(),
            history: order.history().iter().map(StatusChangeRecord::from).collect(),
            notifications: order.notifications().iter().map(NotificationRecord::from).collect(),
            version: order.version(),
        }
    }
}

impl TryFrom<OrderItem> for Order {
    type Error = CorruptRecord;

    fn try_from(item: OrderItem) -> Result<Self, CorruptRecord> {
        let id: OrderId = item.order_id.parse().map_err(CorruptRecord::because)?;
        let user_id = UserId::new(item.user_id).map_err(CorruptRecord::because)?;
        if item.pk != keys::user(user_id) || item.sk != keys::order(id) {
            return Err(CorruptRecord::because("its key is not that of its identifiers"));
        }
        let order = Self::rehydrate(OrderRecord {
            id,
            user_id,
            currency: Currency::from_code(&item.currency)
                .ok_or_else(|| CorruptRecord::because("its currency is unknown"))?,
            lines: item.lines.iter().map(PricedLine::try_from).collect::<Result<_, _>>()?,
            total: Money::from_minor(item.total)
                .ok_or_else(|| CorruptRecord::because("its total is out of range"))?,
            history: item.history.iter().map(StatusChange::try_from).collect::<Result<_, _>>()?,
            notifications: item.notifications.into_iter().map(Notification::from).collect(),
            version: item.version,
        })
        .map_err(CorruptRecord::because)?;
        if order.status().as_str() != item.status {
            return Err(CorruptRecord::because("its status is not the last of its history"));
        }
        Ok(order)
    }
}

impl From<&StatusChange> for StatusChangeRecord {
    fn from(change: &StatusChange) -> Self {
        Self {
            status: change.status.as_str().to_owned(),
            at_ms: change.at.as_millis(),
            event_id: change.event.event_id.to_string(),
            event_version: change.event.schema_version,
            traceparent: change.event.traceparent.clone(),
        }
    }
}

impl TryFrom<&StatusChangeRecord> for StatusChange {
    type Error = CorruptRecord;

    fn try_from(change: &StatusChangeRecord) -> Result<Self, CorruptRecord> {
        Ok(Self {
            status: OrderStatus::from_name(&change.status)
                .ok_or_else(|| CorruptRecord::because("a status is unknown"))?,
            at: Timestamp::from_millis(change.at_ms),
            event: EventStamp {
                event_id: change.event_id.parse().map_err(CorruptRecord::because)?,
                schema_version: change.event_version,
                traceparent: change.traceparent.clone(),
            },
        })
    }
}

impl From<&Notification> for NotificationRecord {
    fn from(told: &Notification) -> Self {
        Self {
            event_type: told.event_type.clone(),
            aggregate_version: told.aggregate_version,
            at_ms: told.at.as_millis(),
        }
    }
}

impl From<NotificationRecord> for Notification {
    fn from(told: NotificationRecord) -> Self {
        Self {
            event_type: told.event_type,
            aggregate_version: told.aggregate_version,
            at: Timestamp::from_millis(told.at_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::ProductId;
    use domain::order::{OrderLine, OrderLines};

    use super::*;
    use crate::item::{from_item, number, to_item};

    fn stamp(number: u8) -> EventStamp {
        let event_id = format!("01890a5d-ac96-774b-bcce-b302099a80{number:02}").parse().unwrap();
        EventStamp::untraced(event_id, 1)
    }

    fn confirmed() -> Order {
        let product_id = ProductId::new(7).unwrap();
        let lines = OrderLines::merge(&[OrderLine { product_id, quantity: 3 }]).unwrap();
        let id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let price = |_| Money::from_minor(1_250);
        let user_id = UserId::new(123).unwrap();
        let (order, _) =
            Order::create(id, user_id, &lines, price, Timestamp::from_millis(1_000), stamp(1))
                .unwrap();
        order.confirm(Timestamp::from_millis(2_500), stamp(2)).unwrap().0
    }

    #[test]
    fn an_order_comes_back_as_it_was_stored() {
        let order = confirmed();
        let item = to_item(&OrderItem::from(&order)).unwrap();
        let read: OrderItem = from_item(item).unwrap();
        assert_eq!(Order::try_from(read).unwrap(), order);
    }

    #[test]
    fn an_order_that_breaks_a_rule_is_not_read() {
        for (attribute, value) in [
            ("total", number(1)),
            ("version", number(7)),
            ("status", crate::item::text("CREATED")),
            ("user_id", number(124)),
        ] {
            let mut item = to_item(&OrderItem::from(&confirmed())).unwrap();
            item.insert(attribute.to_owned(), value);
            let read: OrderItem = from_item(item).unwrap();
            assert!(Order::try_from(read).is_err(), "{attribute}");
        }
    }
}
