//! Converts events to messages of the client.

#[cfg(test)]
mod documented;

use application::ports::{DeadLetter, HalfMessage};
use contracts::message::{
    AGGREGATE, AGGREGATE_VERSION, ATTEMPTS, DEADLINE_MS, EVENT_ID, FIRST_FAILED_AT, HANDLER,
    REASON, RECORDED, SCHEMA_VERSION, TRACEPARENT, TRANSACTION_ID,
};
use rocketmq_model::common::message::message_single::Message;
use rocketmq_model::common::message::{MessageConst, MessageTrait};

/// The longest reason on an announcement, in characters. All properties together may have 32,767
/// bytes (`MessageDecoder.java`); the table contains a longer part of the reason.
const REASON_LENGTH_MAX: usize = 1024;

/// A half message, which a plain producer sends. The broker recognises it by `TRAN_MSG` alone
/// (`SendMessageProcessor.java`), and checks back with the group in `PGROUP`, whichever group sent
/// it.
pub(crate) fn half_message(half: &HalfMessage<'_>, topic: &str, checked_group: &str) -> Message {
    let outbound = half.message;
    let mut message = message_to(topic, outbound.body.clone().into_bytes());
    message.set_tags(outbound.event_type.as_str().into());
    message.set_keys_from_collection(vec![outbound.event_id.to_string(), outbound.subject.clone()]);
    put(&mut message, MessageConst::PROPERTY_TRANSACTION_PREPARED, "true");
    put(&mut message, MessageConst::PROPERTY_PRODUCER_GROUP, checked_group);
    // `CHECK_IMMUNITY_TIME_IN_SECONDS` is left out on purpose. The broker's `transactionTimeOut`, 6
    // s by default, is longer than the transaction, its commit or rollback and the clocks' margin
    // together, and a check that comes too early is answered with UNKNOWN anyway. With the
    // property, each round before that time writes the message again, and some copies outlive the
    // record that the message has ended: of 4,000 committed messages, 474 and 1,333 were checked,
    // and none without the property (Java broker 5.4.0; ADR 0006).
    put(&mut message, EVENT_ID, &outbound.event_id.to_string());
    put(&mut message, TRANSACTION_ID, &half.transaction_id.to_string());
    put(&mut message, DEADLINE_MS, &half.deadline.as_millis().to_string());
    put(&mut message, SCHEMA_VERSION, &outbound.schema_version.to_string());
    put(&mut message, AGGREGATE_VERSION, &outbound.aggregate_version.to_string());
    if let Some(aggregate) = &outbound.aggregate {
        put(&mut message, AGGREGATE, &aggregate.to_string());
    }
    if half.is_recorded {
        put(&mut message, RECORDED, &true.to_string());
    }
    if let Some(traceparent) = &outbound.traceparent {
        put(&mut message, TRACEPARENT, traceparent);
    }
    message
}

pub(crate) fn announcement(letter: &DeadLetter, topic: &str) -> Message {
    let mut message = message_to(topic, letter.body.clone());
    message.set_keys_from_collection(vec![letter.id().to_string()]);
    if let Some(event_id) = letter.event_id {
        put(&mut message, EVENT_ID, &event_id.to_string());
    }
    if let Some(traceparent) = &letter.traceparent {
        put(&mut message, TRACEPARENT, traceparent);
    }
    let reason: String = letter.reason.chars().take(REASON_LENGTH_MAX).collect();
    put(&mut message, REASON, &reason);
    if let Some(handler) = &letter.handler {
        put(&mut message, HANDLER, handler);
    }
    put(&mut message, ATTEMPTS, &letter.attempts.to_string());
    put(&mut message, FIRST_FAILED_AT, &letter.first_failed_at.as_millis().to_string());
    message
}

fn message_to(topic: &str, body: Vec<u8>) -> Message {
    let mut message = Message::default();
    message.set_topic(topic.into());
    message.set_body(Some(body.into()));
    message
}

/// Adds a property. Properties are sent as text separated by the control characters 1 and 2
/// (`MessageDecoder.java`), so each control character of a value becomes a space.
fn put(message: &mut Message, name: &'static str, value: &str) {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    message.put_property(name.into(), value.into());
}

#[cfg(test)]
mod tests {
    use application::ports::{MessageId, OutboundMessage, Topic};
    use contracts::event::EventType;
    use domain::identity::EventId;
    use domain::timestamp::Timestamp;

    use super::*;

    const EVENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const AGGREGATE_KEY: &str = "USER#123/ORDER#01890a5d-ac96-774b-bcce-b302099a8057";
    const TRANSACTION: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn outbound() -> OutboundMessage {
        OutboundMessage {
            topic: Topic::Orders,
            event_id: EVENT.parse().unwrap(),
            event_type: EventType::OrderCreated,
            subject: "order-1".to_owned(),
            aggregate: AGGREGATE_KEY.parse().ok(),
            schema_version: 1,
            aggregate_version: 7,
            body: "{}".to_owned(),
            traceparent: Some("00-a-b-01".to_owned()),
        }
    }

    #[test]
    fn a_half_message_has_the_properties_for_routing_and_check_backs() {
        let message = half_message(
            &HalfMessage {
                message: &outbound(),
                transaction_id: TRANSACTION.parse().unwrap(),
                deadline: Timestamp::from_millis(1_234),
                is_recorded: true,
            },
            "ORDER_EVENTS",
            "shop-transaction-check",
        );
        for (name, value) in [
            ("TAGS", "OrderCreated"),
            ("KEYS", &format!("{EVENT} order-1")),
            ("TRAN_MSG", "true"),
            ("PGROUP", "shop-transaction-check"),
            ("event_id", EVENT),
            ("transaction_id", TRANSACTION),
            ("deadline_ms", "1234"),
            ("aggregate", AGGREGATE_KEY),
            ("recorded", "true"),
            ("schema_version", "1"),
            ("aggregate_version", "7"),
            ("traceparent", "00-a-b-01"),
        ] {
            assert_eq!(message.property(name), Some(value), "{name}");
        }
        assert_eq!(message.body_slice(), b"{}");
        let immunity = message.property("CHECK_IMMUNITY_TIME_IN_SECONDS");
        assert_eq!(immunity, None, "the broker decides when it checks");
    }

    #[test]
    fn an_announcement_has_the_reason_the_handler_and_the_attempts() {
        let mut letter = DeadLetter {
            event_id: None,
            aggregate: None,
            done_by: std::collections::BTreeSet::new(),
            message_id: MessageId::of("0A00"),
            body: b"not json".to_vec(),
            body_bytes: 8,
            traceparent: None,
            reason: "broken\u{1}at\n1".to_owned(),
            handler: None,
            attempts: 3,
            first_failed_at: Timestamp::from_millis(5),
            expires_at: Some(Timestamp::from_millis(9)),
        };
        let message = announcement(&letter, "ORDER_EVENTS_DLQ");
        assert_eq!(message.property("KEYS"), Some("0A00"));
        assert_eq!(message.property("reason"), Some("broken at 1"));
        assert_eq!(message.property("attempts"), Some("3"));
        assert_eq!(message.property("first_failed_at"), Some("5"));
        assert_eq!((message.property("handler"), message.property("event_id")), (None, None));

        letter.event_id = Some(EVENT.parse::<EventId>().unwrap());
        letter.handler = Some("inventory".to_owned());
        letter.traceparent = Some("00-a-b-01".to_owned());
        let message = announcement(&letter, "ORDER_EVENTS_DLQ");
        assert_eq!(message.property("KEYS"), Some(EVENT));
        assert_eq!(message.property("event_id"), Some(EVENT));
        assert_eq!(message.property("handler"), Some("inventory"));
        assert_eq!(message.property("traceparent"), Some("00-a-b-01"));
    }
}
