//! The events as `AsyncAPI` 3.0.
//!
//! `AsyncAPI` has no binding for RocketMQ. `docs/rocketmq-binding.md` proposes one; until there is
//! one, it is an extension, `x-rocketmq`, which readers that don't know it ignore.

use std::io;

use contracts::event::{
    Event, EventData, EventType, Item, OrderChanged, OrderCreated, UserChanged,
};
use contracts::message::{
    AGGREGATE, AGGREGATE_VERSION, ATTEMPTS, DEAD_LETTER_SUFFIX, DEADLINE_MS, EVENT_ID,
    FIRST_FAILED_AT, HANDLER, ORDER_TOPIC, REASON, RECORDED, TRACEPARENT, TRANSACTION_ID,
    USER_TOPIC,
};
use contracts::timestamp::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The version of the proposed binding.
const BINDING_VERSION: &str = "0.1.0";

const DESCRIPTION: &str = "\
What happened to orders and users, as CloudEvents 1.0 in JSON. A subscriber gets each event at \
least once and in any order: it recognises copies by `id`, and puts the events of one order or \
one user in order by `data.aggregate_version`. Several events of a user can have one version, so \
a subscriber that drops what is not newer than the last one loses events. A subscriber ignores \
members that it does not know, and refuses another `schemaversion`. Topics and the prefix of \
groups are settings; these are the defaults.";

/// The document.
///
/// # Errors
///
/// As [`Event::encode`].
pub fn document() -> io::Result<Value> {
    let mut messages = Map::new();
    for event_type in EventType::ALL {
        messages.insert(event_type.as_str().to_owned(), message(event_type)?);
    }
    messages.insert("DeadLetter".to_owned(), dead_letter());
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Order service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": servers(),
        "channels": channels(),
        "operations": operations(),
        "components": {"messages": messages, "messageTraits": {"event": event_trait()}},
    }))
}

/// The topic of an event.
const fn topic(event_type: EventType) -> &'static str {
    match event_type {
        EventType::OrderCreated
        | EventType::OrderConfirmed
        | EventType::OrderRejected
        | EventType::OrderCancelled => ORDER_TOPIC,
        EventType::UserRegistered
        | EventType::UserLoggedIn
        | EventType::UserDeleted
        | EventType::EmailConfirmationRequested
        | EventType::EmailChangeRequested
        | EventType::PasswordResetRequested => USER_TOPIC,
    }
}

/// An object of the proposed binding.
fn binding(mut members: Value) -> Value {
    members["bindingVersion"] = json!(BINDING_VERSION);
    json!({"x-rocketmq": members})
}

fn servers() -> Value {
    json!({
        "local": {
            "host": "127.0.0.1:9876",
            "protocol": "rocketmq",
            "description": "The name server of `cargo xtask up`. In a cloud, access control and TLS \
                are settings.",
            "bindings": binding(json!({"protocol": "remoting"})),
        },
    })
}

fn channels() -> Value {
    let of_topic = |wanted: &str| -> Map<String, Value> {
        let events = EventType::ALL.into_iter().filter(|event_type| topic(*event_type) == wanted);
        let names = events.map(EventType::as_str);
        names.map(|name| (name.to_owned(), reference("components/messages", name))).collect()
    };
    let (orders, users) = (of_topic(ORDER_TOPIC), of_topic(USER_TOPIC));
    let letters = format!("{ORDER_TOPIC}{DEAD_LETTER_SUFFIX}");
    json!({
        "orderEvents": {
            "address": ORDER_TOPIC,
            "description": "The events of orders",
            "messages": orders,
            "bindings": binding(json!({"topic": ORDER_TOPIC, "messageType": "TRANSACTION"})),
        },
        "userEvents": {
            "address": USER_TOPIC,
            "description": "The events of accounts and sessions. None of it is personal.",
            "messages": users,
            "bindings": binding(json!({"topic": USER_TOPIC, "messageType": "TRANSACTION"})),
        },
        "deadLetters": {
            "address": letters,
            "description": "Announcements of events of both topics that were given up",
            "messages": {"DeadLetter": reference("components/messages", "DeadLetter")},
            "bindings": binding(json!({"topic": letters, "messageType": "NORMAL"})),
        },
    })
}

fn reference(section: &str, name: &str) -> Value {
    json!({"$ref": format!("#/{section}/{name}")})
}

fn operations() -> Value {
    let publish = |channel: &str, summary: &str, group: &str| {
        json!({
            "action": "send",
            "channel": reference("channels", channel),
            "summary": summary,
            "bindings": binding(json!({
                "producerGroup": group,
                "transaction": {
                    "checkedGroup": "<prefix>transaction-check",
                    "deadlineProperty": DEADLINE_MS,
                },
            })),
        })
    };
    let consume = |channel: &str, summary: &str| {
        json!({
            "action": "receive",
            "channel": reference("channels", channel),
            "summary": summary,
            "bindings": binding(json!({
                "consumerGroup": "<prefix>event-consumer",
                "consumption": "POP",
                "messageModel": "CLUSTERING",
            })),
        })
    };
    json!({
        "publishOrderEvents": publish(
            "orderEvents",
            "Publishes what happened to orders",
            "<prefix>create-order",
        ),
        "publishUserEvents": publish(
            "userEvents",
            "Publishes what happened to users",
            "<prefix>create-order",
        ),
        "consumeOrderEvents": consume("orderEvents", "Reserves stock, and notifies users"),
        "consumeUserEvents": consume("userEvents", "Ends what is pending of users' events"),
        "announceDeadLetters": {
            "action": "send",
            "channel": reference("channels", "deadLetters"),
            "summary": "Announces an event that was given up",
            "bindings": binding(json!({"producerGroup": "<prefix>create-order"})),
        },
    })
}

/// What the messages of all events have in common.
fn event_trait() -> Value {
    json!({
        "contentType": "application/cloudevents+json",
        "correlationId": {
            "description": "Two messages with the same one are copies of the same event.",
            "location": format!("$message.header#/{EVENT_ID}"),
        },
        "headers": {
            "type": "object",
            "description": "The user properties of the message. RocketMQ's own are not listed.",
            "properties": {
                EVENT_ID: text("The event's `id`"),
                TRANSACTION_ID: text("The publication: a new one for each half message"),
                AGGREGATE: text("Of use to this service only"),
                RECORDED: text("`true` if the event was stored before its half message"),
                DEADLINE_MS: text("When the local transaction ends, in milliseconds since 1970"),
                contracts::message::SCHEMA_VERSION: text("As in the body"),
                AGGREGATE_VERSION: text("As in the body"),
                TRACEPARENT: text("W3C Trace Context, if there is one"),
            },
            "required": [
                EVENT_ID,
                TRANSACTION_ID,
                DEADLINE_MS,
                contracts::message::SCHEMA_VERSION,
                AGGREGATE_VERSION,
            ],
        },
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn message(event_type: EventType) -> io::Result<Value> {
    let name = event_type.as_str();
    let schema = contracts::schema::of_event(event_type);
    let example: Value = serde_json::from_slice(&example(event_type).encode()?)?;
    Ok(json!({
        "name": name,
        "title": name,
        "summary": schema["description"],
        "traits": [reference("components/messageTraits", "event")],
        "payload": {"$ref": format!("./events/{name}.schema.json")},
        "bindings": binding(json!({
            "tag": name,
            "keys": ["$message.payload#/id", "$message.payload#/subject"],
        })),
        "examples": [{"name": name, "payload": example}],
    }))
}

fn dead_letter() -> Value {
    json!({
        "name": "DeadLetter",
        "title": "DeadLetter",
        "summary": "An event was given up. Its body is that of the event's message, as it was.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "description": "The user properties of the message",
            "properties": {
                EVENT_ID: text("The event's `id`, if an event could be read"),
                TRACEPARENT: text("W3C Trace Context, if there is one"),
                REASON: text("Why the event was given up"),
                HANDLER: text("Which handler gave up; absent if no handler was called"),
                ATTEMPTS: text("How often the event was tried"),
                FIRST_FAILED_AT: text("When it failed first, in milliseconds since 1970"),
            },
            "required": [REASON, ATTEMPTS, FIRST_FAILED_AT],
        },
        "bindings": binding(json!({
            "keys": [format!("$message.header#/{EVENT_ID}")],
            "otherKeys": "Where no event could be read: the identifier of the message that was given \
                up, as the tables name its letter",
        })),
    })
}

/// An event of a type, the same each time.
pub fn example(event_type: EventType) -> Event {
    let order = |aggregate_version, status: &str| OrderChanged {
        order_id: ORDER_ID,
        user_id: 123,
        aggregate_version,
        status: status.to_owned(),
    };
    let user = |aggregate_version| UserChanged { user_id: 123, aggregate_version };
    let data = match event_type {
        EventType::OrderCreated => EventData::OrderCreated(OrderCreated {
            order: order(1, "CREATED"),
            items: vec![
                Item { product_id: 1, quantity: 2, unit_price: 1_250 },
                Item { product_id: 3, quantity: 1, unit_price: 3_490 },
            ],
            currency: "EUR".to_owned(),
            total: 5_990,
        }),
        EventType::OrderConfirmed => EventData::OrderConfirmed(order(2, "CONFIRMED")),
        EventType::OrderRejected => EventData::OrderRejected(order(2, "REJECTED")),
        EventType::OrderCancelled => EventData::OrderCancelled(order(3, "CANCELLED")),
        EventType::UserRegistered => EventData::UserRegistered(user(1)),
        EventType::UserLoggedIn => EventData::UserLoggedIn(user(2)),
        EventType::UserDeleted => EventData::UserDeleted(user(3)),
        EventType::EmailConfirmationRequested => EventData::EmailConfirmationRequested(user(1)),
        EventType::EmailChangeRequested => EventData::EmailChangeRequested(user(3)),
        EventType::PasswordResetRequested => EventData::PasswordResetRequested(user(2)),
    };
    let time =
        Timestamp::from_millis(1_769_860_800_125 + 1_000 * i64::from(data.aggregate_version()));
    Event { id: Uuid::from_u128(EVENT_ID_FIRST | u128::from(data.aggregate_version())), time, data }
}

const ORDER_ID: Uuid = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057);
const EVENT_ID_FIRST: u128 = 0x6f1c_3c54_2b57_8a6e_9d0b_5f3a_77c1_e200;
