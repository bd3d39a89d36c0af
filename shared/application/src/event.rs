//! From the domain's events to the wire's and back.

use contracts::event::{
    Event, EventData, EventType, Item, OrderChanged, OrderCreated, SCHEMA_VERSION, UserChanged,
};
use contracts::timestamp::Timestamp as WireTimestamp;
use domain::aggregate::AggregateKey;
use domain::event::EventStamp;
use domain::identity::{EventId, OrderId, ProductId, TransactionId, UserId};
use domain::money::{Currency, Money};
use domain::order::{
    Order, OrderEvent, OrderFact, OrderRecord, OrderStatus, PricedLine, Quantity, StatusChange,
};
use domain::timestamp::Timestamp;
use domain::user::{UserEvent, UserFact};

use crate::ports::{OutboundMessage, RecordedEvent, Topic};

/// The outbox copy of an order's event, not yet published, due for the sweep at once.
///
/// # Errors
///
/// As [`Event::encode`].
pub fn unpublished(
    transaction_id: TransactionId,
    event: &OrderEvent,
) -> Result<RecordedEvent, serde_json::Error> {
    Ok(RecordedEvent {
        message: order_message(event)?,
        transaction_id,
        recorded_at: event.at,
        unpublished: true,
        sweep_due: event.at,
    })
}

/// The outbox copy of a user's event, not yet published, due for the sweep at once: no broker is on
/// the way of a registration or a login.
///
/// # Errors
///
/// As [`Event::encode`].
pub fn unpublished_of_user(
    event_id: EventId,
    transaction_id: TransactionId,
    event: &UserEvent,
    traceparent: Option<String>,
) -> Result<RecordedEvent, serde_json::Error> {
    let user =
        UserChanged { user_id: event.user_id.get(), aggregate_version: event.aggregate_version };
    let told = Event {
        id: *event_id.as_uuid(),
        time: WireTimestamp::from_millis(event.at.as_millis()),
        data: match event.fact {
            UserFact::Registered => EventData::UserRegistered(user),
            UserFact::LoggedIn => EventData::UserLoggedIn(user),
        },
    };
    let body = String::from_utf8_lossy(&told.encode()?).into_owned();
    Ok(RecordedEvent {
        message: message_of(&told, body, traceparent),
        transaction_id,
        recorded_at: event.at,
        unpublished: true,
        sweep_due: event.at,
    })
}

/// An order's event as it goes on its topic.
///
/// # Errors
///
/// As [`Event::encode`].
pub fn order_message(event: &OrderEvent) -> Result<OutboundMessage, serde_json::Error> {
    let traceparent = event.stamp.traceparent.clone();
    let told = Event {
        id: *event.stamp.event_id.as_uuid(),
        time: WireTimestamp::from_millis(event.at.as_millis()),
        data: event_data(event),
    };
    let body = String::from_utf8_lossy(&told.encode()?).into_owned();
    Ok(message_of(&told, body, traceparent))
}

/// An event as it goes on its topic, with its own body: what a newer version added to it stays
/// there.
pub fn message_of(event: &Event, body: String, traceparent: Option<String>) -> OutboundMessage {
    let event_type = event.data.event_type();
    OutboundMessage {
        topic: Topic::of(event_type),
        event_id: EventId::new(event.id),
        event_type,
        subject: event.data.subject(),
        aggregate: aggregate_of(&event.data),
        schema_version: SCHEMA_VERSION,
        aggregate_version: event.data.aggregate_version(),
        body,
        traceparent,
    }
}

/// The type of the event with which an order reaches a status.
pub const fn event_type_of(status: OrderStatus) -> EventType {
    match status {
        OrderStatus::Created => EventType::OrderCreated,
        OrderStatus::Confirmed => EventType::OrderConfirmed,
        OrderStatus::Rejected => EventType::OrderRejected,
        OrderStatus::Cancelled => EventType::OrderCancelled,
    }
}

/// The aggregate that raised an event, if its identifiers are of this service's form.
fn aggregate_of(data: &EventData) -> Option<AggregateKey> {
    match data {
        EventData::UserRegistered(user) | EventData::UserLoggedIn(user) => {
            UserId::new(user.user_id).ok().map(|user_id| AggregateKey::Account { user_id })
        }
        data => {
            let order = data.order()?;
            let user_id = UserId::new(order.user_id).ok()?;
            Some(AggregateKey::Order { user_id, order_id: OrderId::new(order.order_id) })
        }
    }
}

fn event_data(event: &OrderEvent) -> EventData {
    let order = OrderChanged {
        order_id: *event.order_id.as_uuid(),
        user_id: event.user_id.get(),
        aggregate_version: event.aggregate_version,
        status: event.fact.status().as_str().to_owned(),
    };
    match &event.fact {
        OrderFact::Created { lines, currency, total } => EventData::OrderCreated(OrderCreated {
            order,
            items: items(lines),
            currency: currency.code().to_owned(),
            total: total.minor(),
        }),
        OrderFact::Confirmed => EventData::OrderConfirmed(order),
        OrderFact::Rejected => EventData::OrderRejected(order),
        OrderFact::Cancelled => EventData::OrderCancelled(order),
    }
}

/// Lines as they are told.
pub fn items(lines: &[PricedLine]) -> Vec<Item> {
    lines
        .iter()
        .map(|line| Item {
            product_id: line.product_id.get(),
            quantity: line.quantity.get(),
            unit_price: line.unit_price.minor(),
        })
        .collect()
}

/// An event breaks a rule of the domain: whoever raised it was no order of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event is none that an order raises: {0}")]
pub struct ImpossibleEvent(String);

/// The order as it was when it raised its `OrderCreated`.
///
/// # Errors
///
/// [`ImpossibleEvent`] if no order could have raised it.
pub fn created_order(
    created: &OrderCreated,
    at: Timestamp,
    event: EventStamp,
) -> Result<Order, ImpossibleEvent> {
    let impossible = |what: &dyn std::fmt::Display| ImpossibleEvent(what.to_string());
    let currency = Currency::from_code(&created.currency)
        .ok_or_else(|| impossible(&"its currency is unknown"))?;
    let lines = created
        .items
        .iter()
        .map(priced_line)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| impossible(&"a line is out of range"))?;
    let total =
        Money::from_minor(created.total).ok_or_else(|| impossible(&"its total is out of range"))?;
    Order::rehydrate(OrderRecord {
        id: OrderId::new(created.order.order_id),
        user_id: UserId::new(created.order.user_id).map_err(|error| impossible(&error))?,
        currency,
        lines,
        total,
        history: vec![StatusChange { status: OrderStatus::Created, at, event }],
        notifications: Vec::new(),
        version: created.order.aggregate_version,
    })
    .map_err(|error| impossible(&error))
}

fn priced_line(item: &Item) -> Option<PricedLine> {
    Some(PricedLine {
        product_id: ProductId::new(item.product_id).ok()?,
        quantity: Quantity::new(item.quantity.into())?,
        unit_price: Money::from_minor(item.unit_price)?,
    })
}

/// An order as clients see it.
pub fn order_body(order: &Order) -> contracts::order::Order {
    contracts::order::Order {
        order_id: *order.id().as_uuid(),
        user_id: order.user_id().get(),
        status: order.status().as_str().to_owned(),
        currency: order.currency().code().to_owned(),
        items: items(order.lines()),
        total: order.total().minor(),
        created_at: WireTimestamp::from_millis(order.created_at().as_millis()),
        history: order
            .history()
            .iter()
            .map(|change| contracts::order::StatusChange {
                status: change.status.as_str().to_owned(),
                at: WireTimestamp::from_millis(change.at.as_millis()),
            })
            .collect(),
        notifications: order
            .notifications()
            .iter()
            .map(|told| contracts::order::Notification {
                event_type: told.event_type.clone(),
                at: WireTimestamp::from_millis(told.at.as_millis()),
            })
            .collect(),
    }
}
