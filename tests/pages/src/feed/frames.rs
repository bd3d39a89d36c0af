//! Steps from frames between functions and the broker.

use std::collections::BTreeMap;

use harness::broker_proxy::{Passage, Side};
use harness::remoting::{Frame, code, messages, status};

use super::{State, step};
use crate::step::{Kind, Lane, Outcome};
use crate::story::{Half, NewStep};

/// `MessageSysFlag.TRANSACTION_COMMIT_TYPE` and `TRANSACTION_ROLLBACK_TYPE`, as `END_TRANSACTION`
/// carries them.
const COMMIT: &str = "8";
const ROLLBACK: &str = "12";

/// A half message that was sent.
pub(super) struct Published {
    pub(super) topic: String,
    pub(super) event_type: String,
    pub(super) order_id: Option<String>,
    /// Of the request that it was sent for.
    pub(super) trace: Option<String>,
    /// Whether its event was stored before.
    pub(super) is_recorded: bool,
    is_stored: bool,
    has_ended: bool,
}

/// A request to the broker whose answer is awaited.
pub(super) struct Waiting {
    kind: Awaited,
    sent_ms: f64,
    /// The order and its step.
    step: Option<(String, u32)>,
}

enum Awaited {
    /// A half message with this id.
    Send(String),
    /// The end of the half message with this id.
    End {
        message_id: String,
        is_commit: bool,
    },
    Other,
}

/// The order and the type of a delivered event.
pub(super) struct DeliveredAs {
    order_id: Option<String>,
    event_type: String,
}

/// The order in `USER#123/ORDER#0189…`.
fn order_in(aggregate: &str) -> Option<String> {
    aggregate.split_once("/ORDER#").map(|(_, order_id)| order_id.to_owned())
}

/// The trace in a `traceparent`.
pub(super) fn trace_in(traceparent: &str) -> Option<String> {
    traceparent.split('-').nth(1).map(str::to_owned)
}

fn owned(properties: &BTreeMap<String, String>, name: &str) -> String {
    properties.get(name).cloned().unwrap_or_default()
}

impl State {
    /// Takes a frame in. Returns whether it changed anything.
    pub(super) fn passed(&mut self, function: &str, passage: &Passage, now_ms: f64) -> bool {
        let Some(lane) = Lane::of_function(function) else { return false };
        let frame = &passage.frame;
        match (passage.from, passage.request, frame.is_answer()) {
            (Side::Client, code::SEND_MESSAGE | code::SEND_MESSAGE_V2, false) => {
                self.sent(lane, passage, now_ms);
            }
            (Side::Client, code::END_TRANSACTION, false) => self.ended(lane, passage, now_ms),
            (Side::Client, code::ACK_MESSAGE, false) => self.acknowledged(lane, passage, now_ms),
            (Side::Client, code::CHANGE_MESSAGE_INVISIBLETIME, false) => {
                self.postponed(lane, frame, now_ms);
            }
            (Side::Client, code::QUERY_MESSAGE, false) => self.asked(lane, passage, now_ms),
            (Side::Server, code::CHECK_TRANSACTION_STATE, false) => {
                self.checked(lane, frame, now_ms);
            }
            (Side::Server, code::POP_MESSAGE, true) => self.delivered(lane, frame, now_ms),
            (Side::Server, _, true) => return self.answered(passage, now_ms),
            _ => return false,
        }
        true
    }

    fn sent(&mut self, lane: Lane, passage: &Passage, now_ms: f64) {
        let properties = passage.frame.message_properties();
        if properties.get("TRAN_MSG").map(String::as_str) != Some("true") {
            return;
        }
        let field = if passage.request == code::SEND_MESSAGE { "topic" } else { "b" };
        let topic = passage.frame.field(field).unwrap_or_default().to_owned();
        let message = Published {
            event_type: owned(&properties, "TAGS"),
            order_id: properties.get("aggregate").and_then(|key| order_in(key)),
            trace: properties.get("traceparent").and_then(|parent| trace_in(parent)),
            is_recorded: properties.get("recorded").map(String::as_str) == Some("true"),
            is_stored: false,
            has_ended: false,
            topic,
        };
        let mut added = None;
        if let Some(order_id) = &message.order_id {
            if let Some(event_id) = properties.get("event_id") {
                self.events.put(event_id.clone(), order_id.clone());
            }
            let kind = if message.is_recorded { Kind::Publication } else { Kind::HalfMessage };
            let label = format!("half message {}", message.event_type);
            let mut step = step(now_ms, lane, Lane::Broker, kind, label);
            step.outcome = Outcome::Open;
            if let Some(trace) = message.trace.as_ref().filter(|_| !message.is_recorded) {
                self.traces.put(trace.clone(), order_id.clone());
                self.add_request(trace, order_id);
            }
            added = Some((order_id.clone(), self.add_step(order_id, step)));
        }
        let message_id = owned(&properties, "UNIQ_KEY");
        self.messages.put(message_id.clone(), message);
        self.await_answer(passage, Awaited::Send(message_id), now_ms, added);
    }

    fn ended(&mut self, lane: Lane, passage: &Passage, now_ms: f64) {
        let frame = &passage.frame;
        let message_id = frame.field("msgId").unwrap_or_default().to_owned();
        let resolution = frame.field("commitOrRollback").unwrap_or_default();
        let from_check = frame.field("fromTransactionCheck") == Some("true");
        let Some(message) = self.messages.get(&message_id) else { return };
        let (order_id, is_recorded) = (message.order_id.clone(), message.is_recorded);
        let (kind, label) = match (resolution, from_check) {
            (COMMIT, true) => (Kind::CheckedCommit, "COMMIT"),
            (ROLLBACK, true) => (Kind::CheckedRollback, "ROLLBACK"),
            (_, true) => (Kind::CheckedUnknown, "UNKNOWN"),
            (COMMIT, false) if is_recorded => (Kind::PublicationCommit, "COMMIT"),
            (COMMIT, false) => (Kind::Commit, "COMMIT"),
            (_, false) => (Kind::Rollback, "ROLLBACK"),
        };
        let mut step = step(now_ms, lane, Lane::Broker, kind, label);
        if !frame.is_one_way() {
            step.outcome = Outcome::Open;
        }
        let added = order_id.map(|order_id| {
            let number = self.add_step(&order_id, step);
            (order_id, number)
        });
        let is_commit = resolution == COMMIT;
        if frame.is_one_way() {
            // The broker's silence is all the answer there is.
            self.end_is_accepted(&message_id, resolution, is_commit);
        } else if is_commit || resolution == ROLLBACK {
            let awaited = Awaited::End { message_id, is_commit };
            self.await_answer(passage, awaited, now_ms, added);
        } else {
            self.await_answer(passage, Awaited::Other, now_ms, added);
        }
    }

    fn end_is_accepted(&mut self, message_id: &str, resolution: &str, is_commit: bool) {
        if resolution != COMMIT && resolution != ROLLBACK {
            return;
        }
        let Some(message) = self.messages.get_mut(&message_id.to_owned()) else { return };
        let is_first = !std::mem::replace(&mut message.has_ended, true);
        let (order_id, topic) = (message.order_id.clone(), message.topic.clone());
        let is_attempt = !message.is_recorded;
        self.counts.waiting -= u64::from(is_first && message.is_stored).min(self.counts.waiting);
        let counts = self.topics.entry(topic).or_default();
        if is_commit {
            self.counts.commits += 1;
            counts.commits += 1;
        } else {
            self.counts.rollbacks += 1;
            counts.rollbacks += 1;
        }
        if let Some(order_id) = order_id.filter(|_| is_attempt)
            && let Some(story) = self.story(&order_id)
        {
            story.half = Half::ended(is_commit);
        }
    }

    fn checked(&mut self, lane: Lane, frame: &Frame, now_ms: f64) {
        self.counts.check_backs += 1;
        let found = messages(&frame.body).into_iter().next();
        let named = frame.field("msgId").and_then(|id| self.messages.get(&id.to_owned()));
        let order_id = match named {
            Some(message) => message.order_id.clone(),
            None => found.as_ref().and_then(|m| order_in(m.properties.get("aggregate")?)),
        };
        let Some(order_id) = order_id else { return };
        self.add_step(&order_id, step(now_ms, Lane::Broker, lane, Kind::CheckBack, "check-back"));
        if let Some(story) = self.story(&order_id) {
            story.check_backs += 1;
        }
    }

    fn delivered(&mut self, lane: Lane, frame: &Frame, now_ms: f64) {
        for message in messages(&frame.body) {
            self.counts.deliveries += 1;
            self.topics.entry(message.topic.clone()).or_default().deliveries += 1;
            let order_id = message.properties.get("aggregate").and_then(|key| order_in(key));
            let event_type = owned(&message.properties, "TAGS");
            if let Some(order_id) = &order_id {
                let delivery = step(now_ms, Lane::Broker, lane, Kind::Delivery, event_type.clone());
                self.add_step(order_id, delivery);
            }
            let position = (message.topic, message.queue_id, message.queue_offset);
            self.deliveries.put(position, DeliveredAs { order_id, event_type });
        }
    }

    /// The topic, the delivery and the order of a request about a delivery.
    fn delivery_of(&self, frame: &Frame) -> Option<(String, &DeliveredAs)> {
        let topic = frame.field("topic")?.to_owned();
        let queue_id = frame.field("queueId")?.parse().ok()?;
        let offset = frame.field("offset")?.parse().ok()?;
        let delivery = self.deliveries.get(&(topic.clone(), queue_id, offset))?;
        Some((topic, delivery))
    }

    fn acknowledged(&mut self, lane: Lane, passage: &Passage, now_ms: f64) {
        self.counts.acknowledged += 1;
        let Some((topic, delivery)) = self.delivery_of(&passage.frame) else { return };
        let (order_id, event_type) = (delivery.order_id.clone(), delivery.event_type.clone());
        self.topics.entry(topic).or_default().acknowledged += 1;
        let Some(order_id) = order_id else { return };
        let label = format!("ack {event_type}");
        let mut step = step(now_ms, lane, Lane::Broker, Kind::Acknowledge, label);
        step.outcome = Outcome::Open;
        let number = self.add_step(&order_id, step);
        self.await_answer(passage, Awaited::Other, now_ms, Some((order_id, number)));
    }

    fn postponed(&mut self, lane: Lane, frame: &Frame, now_ms: f64) {
        let Some((_, delivery)) = self.delivery_of(frame) else { return };
        let label = format!("later: {}", delivery.event_type);
        let Some(order_id) = delivery.order_id.clone() else { return };
        self.add_step(&order_id, step(now_ms, lane, Lane::Broker, Kind::Postpone, label));
    }

    fn asked(&mut self, lane: Lane, passage: &Passage, now_ms: f64) {
        let key = passage.frame.field("key").unwrap_or_default().to_owned();
        let Some(order_id) = self.events.get(&key).cloned() else { return };
        let mut step = step(now_ms, lane, Lane::Broker, Kind::Ask, "is it there?");
        step.outcome = Outcome::Open;
        let number = self.add_step(&order_id, step);
        self.await_answer(passage, Awaited::Other, now_ms, Some((order_id, number)));
    }

    fn await_answer(
        &mut self,
        passage: &Passage,
        kind: Awaited,
        sent_ms: f64,
        step: Option<(String, u32)>,
    ) {
        let number = (passage.connection, passage.frame.opaque);
        self.requests.put(number, Waiting { kind, sent_ms, step });
    }

    fn answered(&mut self, passage: &Passage, now_ms: f64) -> bool {
        let number = (passage.connection, passage.frame.opaque);
        let Some(waiting) = self.requests.get_mut(&number) else { return false };
        let kind = std::mem::replace(&mut waiting.kind, Awaited::Other);
        let (sent_ms, step) = (waiting.sent_ms, waiting.step.take());
        let is_done = passage.frame.code == status::SUCCESS;
        if let Some((order_id, number)) = step
            && let Some(story) = self.story(&order_id)
            && let Some(step) = story.step_mut(number)
        {
            // A broker that finds no message of an event answers the question all the same.
            let is_fine = is_done || step.kind == Kind::Ask;
            let outcome = if is_fine { Outcome::Done } else { Outcome::Refused };
            step.settle(outcome, Some((now_ms - sent_ms).max(0.0)));
        }
        if is_done {
            match kind {
                Awaited::Send(message_id) => self.stored(&message_id),
                Awaited::End { message_id, is_commit } => {
                    let resolution = if is_commit { COMMIT } else { ROLLBACK };
                    self.end_is_accepted(&message_id, resolution, is_commit);
                }
                Awaited::Other => {}
            }
        }
        true
    }

    fn stored(&mut self, message_id: &str) {
        let Some(message) = self.messages.get_mut(&message_id.to_owned()) else { return };
        message.is_stored = true;
        let (order_id, topic) = (message.order_id.clone(), message.topic.clone());
        let is_attempt = !message.is_recorded;
        self.counts.half_messages += 1;
        self.counts.waiting += 1;
        self.topics.entry(topic).or_default().half_messages += 1;
        if let Some(order_id) = order_id.filter(|_| is_attempt)
            && let Some(story) = self.story(&order_id)
        {
            story.half = Half::Waiting;
        }
    }

    /// Adds the request of an order, once it is known which order it is about.
    pub(super) fn add_request(&mut self, trace: &str, order_id: &str) {
        let Some(request) = self.processes.take_request(trace, order_id) else { return };
        let step: NewStep = request.into();
        self.add_step(order_id, step);
    }
}
