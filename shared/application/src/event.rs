//! Turns domain events into messages.

use contracts::event::{
    Event, EventData, EventType, Item, OrderChanged, OrderCreated, SCHEMA_VERSION, UserChanged,
};
use contracts::timestamp::Timestamp as WireTimestamp;
use domain::account::{UserEvent, UserFact};
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::order::{OrderEvent, OrderFact, OrderStatus, PricedLine};

use crate::ports::{OutboundMessage, Topic};

/// The message of an order's event.
///
/// # Errors
///
/// The error of [`Event::encode`].
pub fn order_message(event: &OrderEvent) -> Result<OutboundMessage, serde_json::Error> {
    let traceparent = event.stamp.traceparent.clone();
    let encoded = Event {
        id: *event.stamp.event_id.as_uuid(),
        time: WireTimestamp::from_millis(event.at.as_millis()),
        data: event_data(event),
    };
    let body = String::from_utf8_lossy(&encoded.encode()?).into_owned();
    let key = AggregateKey::Order { user_id: event.user_id, order_id: event.order_id };
    Ok(message_of(&encoded, body, traceparent, Some(key)))
}

/// The message of an event of an account, a session or a mail, whose key is `key`.
///
/// # Errors
///
/// The error of [`Event::encode`].
pub fn user_message(
    key: AggregateKey,
    event: &UserEvent,
) -> Result<OutboundMessage, serde_json::Error> {
    let user =
        UserChanged { user_id: event.user_id.get(), aggregate_version: event.aggregate_version };
    let encoded = Event {
        id: *event.stamp.event_id.as_uuid(),
        time: WireTimestamp::from_millis(event.at.as_millis()),
        data: match event.fact {
            UserFact::Registered => EventData::UserRegistered(user),
            UserFact::LoggedIn => EventData::UserLoggedIn(user),
            UserFact::Deleted => EventData::UserDeleted(user),
            UserFact::EmailConfirmationRequested => EventData::EmailConfirmationRequested(user),
            UserFact::EmailChangeRequested => EventData::EmailChangeRequested(user),
            UserFact::PasswordResetRequested => EventData::PasswordResetRequested(user),
        },
    };
    let body = String::from_utf8_lossy(&encoded.encode()?).into_owned();
    Ok(message_of(&encoded, body, event.stamp.traceparent.clone(), Some(key)))
}

pub const fn event_type_of_fact(fact: UserFact) -> EventType {
    match fact {
        UserFact::Registered => EventType::UserRegistered,
        UserFact::LoggedIn => EventType::UserLoggedIn,
        UserFact::Deleted => EventType::UserDeleted,
        UserFact::EmailConfirmationRequested => EventType::EmailConfirmationRequested,
        UserFact::EmailChangeRequested => EventType::EmailChangeRequested,
        UserFact::PasswordResetRequested => EventType::PasswordResetRequested,
    }
}

/// The message of an event with a given body, so that members which a newer version added are kept.
pub(crate) fn message_of(
    event: &Event,
    body: String,
    traceparent: Option<String>,
    aggregate: Option<AggregateKey>,
) -> OutboundMessage {
    let event_type = event.data.event_type();
    OutboundMessage {
        topic: Topic::of(event_type),
        event_id: EventId::new(event.id),
        event_type,
        subject: event.data.subject(),
        aggregate,
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

/// Lines as they are in events and HTTP bodies.
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
