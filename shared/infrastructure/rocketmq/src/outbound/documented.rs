//! The messages are those of `docs/asyncapi.yaml`, by which other teams read them.

use std::collections::BTreeSet;

use application::event::{order_message, user_message};
use application::ports::{MessageId, OutboundMessage, Topic};
use contracts::event::EventType;
use contracts::message::{DEAD_LETTER_SUFFIX, ORDER_TOPIC, USER_TOPIC};
use domain::account::{UserEvent, UserFact};
use domain::aggregate::AggregateKey;
use domain::event::EventStamp;
use domain::identity::UserId;
use domain::money::{Currency, Money};
use domain::order::{OrderEvent, OrderFact};
use domain::timestamp::Timestamp;
use serde_json::Value;

use super::*;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const OTHER_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

/// The properties that are RocketMQ's own, which the document does not list.
const ITS_OWN: [&str; 4] = ["KEYS", "PGROUP", "TAGS", "TRAN_MSG"];

/// Whether a message has all of its optional parts, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Nothing,
    Everything,
}

fn document() -> Value {
    // A test runs in the folder of its package.
    let text = std::fs::read_to_string("../../../docs/asyncapi.yaml").unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The part of the document that a reference leads to.
fn resolved<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let pointer = reference["$ref"].as_str().unwrap().trim_start_matches('#');
    document.pointer(pointer).unwrap()
}

/// What a runtime expression leads to in a message.
fn evaluated<'a>(expression: &str, message: &'a Message, body: &'a Value) -> Option<&'a str> {
    match expression.split_once('#').unwrap() {
        ("$message.header", name) => message.property(name.trim_start_matches('/')),
        ("$message.payload", pointer) => body.pointer(pointer).and_then(Value::as_str),
        _ => panic!("{expression}"),
    }
}

/// Compares a message with what the document says of the message with this name.
fn assert_documented(document: &Value, name: &str, message: &Message, has: Has) {
    let described = &document["components"]["messages"][name];
    let mut channels = document["channels"].as_object().unwrap().values();
    let topic = message.topic().as_str();
    let channel = channels.find(|channel| channel["address"] == topic).unwrap();
    assert_eq!(resolved(document, &channel["messages"][name]), described, "{name}");

    let headers = match described.get("headers") {
        Some(headers) => headers,
        None => &resolved(document, &described["traits"][0])["headers"],
    };
    let properties = message.get_properties().keys().map(|name| name.as_str());
    let sent: BTreeSet<&str> = properties.filter(|name| !ITS_OWN.contains(name)).collect();
    let documented: BTreeSet<&str> = match has {
        Has::Nothing => {
            headers["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
        }
        Has::Everything => {
            headers["properties"].as_object().unwrap().keys().map(String::as_str).collect()
        }
    };
    assert_eq!(sent, documented, "{name} with {has:?}");

    let binding = &described["bindings"]["x-rocketmq"];
    assert_eq!(message.property("TAGS"), binding["tag"].as_str(), "{name}");
    // Not every body is JSON: a dead letter's may be anything.
    let body: Value = serde_json::from_slice(message.body_slice()).unwrap_or_default();
    let expressions = binding["keys"].as_array().unwrap().iter().filter_map(Value::as_str);
    let keys: Vec<&str> =
        expressions.filter_map(|expression| evaluated(expression, message, &body)).collect();
    if keys.is_empty() {
        assert!(binding["otherKeys"].is_string(), "{name}");
        assert!(message.property("KEYS").is_some_and(|key| !key.is_empty()), "{name}");
    } else {
        assert_eq!(message.property("KEYS"), Some(keys.join(" ").as_str()), "{name}");
    }
}

/// The messages of all types of events, as the use cases make them.
fn outbound() -> Vec<OutboundMessage> {
    let user_id = UserId::new(123).unwrap();
    let at = Timestamp::from_millis(1_769_860_800_125);
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let stamp = EventStamp { traceparent, ..EventStamp::untraced(ID.parse().unwrap(), 1) };
    let created =
        OrderFact::Created { lines: Vec::new(), currency: Currency::Eur, total: Money::ZERO };
    let of_orders = [created, OrderFact::Confirmed, OrderFact::Rejected, OrderFact::Cancelled];
    let of_users = [
        (UserFact::Registered, AggregateKey::Account { user_id }),
        (UserFact::LoggedIn, AggregateKey::Session { session_id: OTHER_ID.parse().unwrap() }),
        (UserFact::Deleted, AggregateKey::Account { user_id }),
        (UserFact::EmailConfirmationRequested, mail()),
        (UserFact::EmailChangeRequested, mail()),
        (UserFact::PasswordResetRequested, mail()),
    ];
    let of_orders = of_orders.into_iter().map(|fact| {
        let (order_id, stamp) = (OTHER_ID.parse().unwrap(), stamp.clone());
        let event = OrderEvent { order_id, user_id, aggregate_version: 1, at, stamp, fact };
        order_message(&event).unwrap()
    });
    let of_users = of_users.into_iter().map(|(fact, key)| {
        let stamp = stamp.clone();
        let event = UserEvent { user_id, aggregate_version: 1, fact, at, stamp };
        user_message(key, &event).unwrap()
    });
    of_orders.chain(of_users).collect()
}

fn mail() -> AggregateKey {
    AggregateKey::Mail { mail_id: OTHER_ID.parse().unwrap() }
}

#[test]
fn every_event_travels_as_the_document_says() {
    let document = document();
    let messages = outbound();
    let types: BTreeSet<&str> = messages.iter().map(|one| one.event_type.as_str()).collect();
    assert_eq!(types, EventType::ALL.iter().map(|one| one.as_str()).collect());
    for full in messages {
        let topic = match full.topic {
            Topic::Orders => ORDER_TOPIC,
            Topic::Users => USER_TOPIC,
        };
        let least = OutboundMessage { aggregate: None, traceparent: None, ..full.clone() };
        for (has, message) in [(Has::Everything, full), (Has::Nothing, least)] {
            let half = HalfMessage {
                message: &message,
                transaction_id: OTHER_ID.parse().unwrap(),
                deadline: Timestamp::from_millis(1_769_860_802_125),
                is_recorded: has == Has::Everything,
            };
            let sent = half_message(&half, topic, "transaction-check");
            assert_documented(&document, message.event_type.as_str(), &sent, has);
        }
    }
}

#[test]
fn a_dead_letter_is_announced_as_the_document_says() {
    let document = document();
    let topic = format!("{ORDER_TOPIC}{DEAD_LETTER_SUFFIX}");
    let mut letter = DeadLetter {
        event_id: None,
        aggregate: None,
        done_by: BTreeSet::new(),
        message_id: MessageId::of("0A00"),
        body: b"not json".to_vec(),
        body_bytes: 8,
        traceparent: None,
        reason: "no event".to_owned(),
        handler: None,
        attempts: 3,
        first_failed_at: Timestamp::from_millis(5),
        expires_at: None,
    };
    assert_documented(&document, "DeadLetter", &announcement(&letter, &topic), Has::Nothing);

    letter.event_id = Some(ID.parse().unwrap());
    letter.traceparent = Some("00-a-b-01".to_owned());
    letter.handler = Some("inventory".to_owned());
    assert_documented(&document, "DeadLetter", &announcement(&letter, &topic), Has::Everything);
}
