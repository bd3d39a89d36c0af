//! RocketMQ in memory: half messages, their ends, and deliveries until they are acknowledged.
//!
//! Like the Java broker it accepts a commit after a rollback, and makes a visible copy of each
//! commit.

mod channel;

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass};
use application::ports::{
    CheckAnswer, CheckBack, CheckBackHandler, Clock, DeadLetter, Delivery, HalfMessage, MessageId,
    OutboundMessage, Resolution, UnreadableBody,
};
use contracts::message;
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant as Moment;

use crate::clock::ManualClock;
use crate::fault::BrokerFault;
use crate::weather::Weather;

/// The property by which a producer names its message. A message without one is named by the broker
/// (`SendMessageProcessor.java`).
pub const MESSAGE_NAME: &str = "UNIQ_KEY";

/// The topics of one deployment and one consumer group. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct MemoryBroker {
    state: Arc<Mutex<State>>,
    arrivals: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    halves: Vec<StoredHalf>,
    visible: Vec<Message>,
    announced: Vec<DeadLetter>,
    away: bool,
    /// For each fault, how many of the next calls meet it.
    next: HashMap<BrokerFault, u32>,
    weather: Weather,
    /// Stamps stored messages; without it they have no stamp.
    clock: Option<ManualClock>,
    late_ends: Vec<(usize, Resolution)>,
}

/// A half message as the broker stores it.
#[derive(Debug, Clone)]
pub struct StoredHalf {
    pub message: OutboundMessage,
    pub transaction_id: TransactionId,
    pub deadline: Timestamp,
    /// Whether the event was stored before its half message.
    pub is_recorded: bool,
    /// The ends that the broker accepted, in their order; more than one is possible.
    pub ends: Vec<Resolution>,
    /// Whether it was rolled back while its message was not on the topic.
    pub is_withdrawn: bool,
    /// How often the broker asked for its transaction. Each time it stored the half message again,
    /// at a new position, which its sender's end does not reach
    /// (`TransactionalMessageServiceImpl.java`).
    pub checks: u32,
    /// Whether the broker stopped asking for its transaction.
    pub discarded: bool,
    has_ended: bool,
    stored_at: Moment,
}

impl StoredHalf {
    const fn is_open(&self) -> bool {
        !self.has_ended && !self.discarded
    }

    pub fn check_back(&self) -> CheckBack {
        CheckBack {
            aggregate: self.message.aggregate,
            is_recorded: self.is_recorded,
            order_id: None,
            topic: Some(self.message.topic),
            transaction_id: Some(self.transaction_id),
            event_id: Some(self.message.event_id),
            deadline: Some(self.deadline),
        }
    }
}

/// The copies of a message that became visible to consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// All visible copies, acknowledged or not.
    pub visible: usize,
    pub unacknowledged: usize,
}

/// A message that is visible to consumers.
#[derive(Debug)]
struct Message {
    message_id: MessageId,
    body: Vec<u8>,
    properties: HashMap<String, String>,
    deliveries: u32,
    /// When the message was stored, by the broker's clock.
    stored_at: Option<Timestamp>,
    visible_at: Moment,
    acknowledged: bool,
}

/// The position of the stored half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReceipt(usize);

#[derive(Debug, Clone)]
pub struct MemoryDelivery {
    at: usize,
    message_id: MessageId,
    body: Vec<u8>,
    properties: HashMap<String, String>,
    redeliveries: u32,
}

impl Delivery for MemoryDelivery {
    fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    fn body(&self) -> Result<&[u8], &UnreadableBody> {
        Ok(&self.body)
    }

    fn raw_body(&self) -> &[u8] {
        &self.body
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    fn redeliveries(&self) -> u32 {
        self.redeliveries
    }
}

impl MemoryBroker {
    /// Makes the broker unreachable until [`MemoryBroker::become_reachable`].
    pub fn become_unreachable(&self) {
        self.state().away = true;
    }

    pub fn become_reachable(&self) {
        self.state().away = false;
    }

    /// Discards every half message that has not ended, as the broker does after its last check: it
    /// is never checked again.
    pub fn discard_open_halves(&self) {
        self.state().halves.iter_mut().for_each(|half| half.discarded |= !half.has_ended);
    }

    /// The next `count` calls that can meet `fault` will meet it.
    pub fn script(&self, fault: BrokerFault, count: u32) {
        self.state().next.insert(fault, count);
    }

    /// Stamps messages by a clock from now on.
    pub fn set_clock(&self, clock: &ManualClock) {
        self.state().clock = Some(clock.clone());
    }

    /// Adds random faults to those of [`MemoryBroker::script`].
    pub fn set_weather(&self, weather: &Weather) {
        self.state().weather = weather.clone();
    }

    /// Applies the ends that were on their way, in their order. Returns how many.
    pub fn apply_late_ends(&self) -> usize {
        let late = mem::take(&mut self.state().late_ends);
        let count = late.len();
        for (at, resolution) in late {
            self.settle(at, resolution);
        }
        count
    }
}

impl MemoryBroker {
    /// All half messages in the order in which they were stored, ended or not.
    pub fn halves(&self) -> Vec<StoredHalf> {
        self.state().halves.clone()
    }

    pub fn half(&self, receipt: MemoryReceipt) -> StoredHalf {
        self.state().halves[receipt.0].clone()
    }

    /// How many half messages are neither ended nor discarded.
    pub fn open_halves(&self) -> usize {
        self.state().halves.iter().filter(|half| half.is_open()).count()
    }

    /// The bodies of all messages that became visible, in their order, with all copies.
    pub fn visible(&self) -> Vec<String> {
        let state = self.state();
        let bodies = state.visible.iter().map(|message| &message.body);
        bodies.map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// The visible copies of an attempt's message.
    pub fn copies_of(&self, transaction_id: TransactionId) -> Copies {
        let id = transaction_id.to_string();
        let state = self.state();
        let is_copy =
            |message: &&Message| message.properties.get(message::TRANSACTION_ID) == Some(&id);
        let copies = state.visible.iter().filter(is_copy);
        Copies {
            visible: copies.clone().count(),
            unacknowledged: copies.filter(|copy| !copy.acknowledged).count(),
        }
    }

    pub fn unacknowledged(&self) -> usize {
        self.state().visible.iter().filter(|message| !message.acknowledged).count()
    }

    /// How often each message was delivered, in the order of [`MemoryBroker::visible`].
    pub fn deliveries(&self) -> Vec<u32> {
        self.state().visible.iter().map(|message| message.deliveries).collect()
    }

    pub fn announced(&self) -> Vec<DeadLetter> {
        self.state().announced.clone()
    }

    pub fn is_away(&self) -> bool {
        self.state().away
    }

    /// The half messages of one round of checks: those that have not ended and are at least
    /// `first_after` old. A half message that was checked `checks_max` times is discarded instead.
    pub(crate) fn due_checks(
        &self,
        first_after: Duration,
        checks_max: u32,
    ) -> Vec<(usize, CheckBack)> {
        let now = Moment::now();
        let mut state = self.state();
        let halves = state.halves.iter_mut().enumerate();
        let open = halves.filter(|(_, half)| half.is_open());
        let old = open.filter(|(_, half)| now - half.stored_at >= first_after);
        old.filter_map(|(at, half)| {
            half.checks += 1;
            half.discarded = half.checks > checks_max;
            (!half.discarded).then(|| (at, half.check_back()))
        })
        .collect()
    }

    pub(crate) fn any_ended(&self, draw: impl FnOnce(u64) -> u64) -> Option<(usize, CheckBack)> {
        let state = self.state();
        let halves = state.halves.iter().enumerate();
        let ended: Vec<_> = halves.filter(|(_, half)| half.has_ended).collect();
        let count = u64::try_from(ended.len()).unwrap();
        let drawn = (count > 0).then(|| usize::try_from(draw(count)).unwrap())?;
        let (at, half) = ended[drawn];
        Some((at, half.check_back()))
    }

    pub(crate) fn apply_answer(&self, at: usize, answer: CheckAnswer) {
        match answer {
            CheckAnswer::Commit => self.settle(at, Resolution::Commit),
            CheckAnswer::Rollback => self.settle(at, Resolution::Rollback),
            CheckAnswer::Unknown => return,
        }
        self.state().halves[at].has_ended = true;
    }

    /// Delivers an acknowledged message again, as after a rebalance. Returns `false` if no message
    /// is acknowledged.
    pub(crate) fn deliver_again(&self, draw: impl FnOnce(u64) -> u64) -> bool {
        let mut state = self.state();
        let mut done: Vec<_> =
            state.visible.iter_mut().filter(|message| message.acknowledged).collect();
        let count = u64::try_from(done.len()).unwrap();
        if count == 0 {
            return false;
        }
        let message = &mut done[usize::try_from(draw(count)).unwrap()];
        message.acknowledged = false;
        message.visible_at = Moment::now();
        self.arrivals.notify_waiters();
        true
    }

    /// Loses every visible message that is not acknowledged, like a broker that stops before it
    /// flushes them to its disk. Returns how many.
    pub fn lose_unacknowledged(&self) -> usize {
        let mut state = self.state();
        // Messages keep their index: a delivery refers to its message by it.
        let mut lost = 0;
        for message in state.visible.iter_mut().filter(|message| !message.acknowledged) {
            message.acknowledged = true;
            message.properties.clear();
            message.body.clear();
            lost += 1;
        }
        lost
    }

    /// Makes a message visible that belongs to no transaction.
    pub fn put(&self, body: &[u8], properties: &[(&str, &str)]) {
        let properties = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.state().show(body.to_vec(), properties);
        self.arrivals.notify_waiters();
    }

    /// Sends a check-back for every half message that has not ended, and ends it as `handler`
    /// answers. A message that stays open is checked again in the next round.
    pub async fn check_back(&self, handler: &impl CheckBackHandler) -> Vec<CheckAnswer> {
        let open = self.due_checks(Duration::ZERO, u32::MAX);
        let mut answers = Vec::with_capacity(open.len());
        for (at, check) in open {
            let answer = handler.answer(check).await;
            self.apply_answer(at, answer);
            answers.push(answer);
        }
        answers
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn travel(&self) {
        let weather = self.state().weather.clone();
        weather.travel().await;
    }

    /// Ends a half message, even if it has ended before.
    fn settle(&self, at: usize, resolution: Resolution) {
        let mut state = self.state();
        state.halves[at].ends.push(resolution);
        state.halves[at].has_ended |= state.halves[at].checks == 0;
        let half = state.halves[at].clone();
        match resolution {
            Resolution::Commit => {
                state.show(half.message.body.clone().into_bytes(), properties(&half));
                self.arrivals.notify_waiters();
            }
            Resolution::Rollback => {
                let is_published = state.holds(half.message.event_id, half.transaction_id);
                state.halves[at].is_withdrawn |= !is_published;
            }
        }
    }
}

impl State {
    /// Whether the next call meets a fault, scripted or at random.
    fn strikes(&mut self, fault: BrokerFault) -> bool {
        match self.next.get_mut(&fault) {
            Some(remaining) if *remaining > 0 => {
                *remaining -= 1;
                true
            }
            _ => self.weather.strikes(fault),
        }
    }

    fn store(&mut self, half: &HalfMessage<'_>) -> MemoryReceipt {
        self.halves.push(StoredHalf {
            message: half.message.clone(),
            transaction_id: half.transaction_id,
            deadline: half.deadline,
            is_recorded: half.is_recorded,
            ends: Vec::new(),
            is_withdrawn: false,
            checks: 0,
            discarded: false,
            has_ended: false,
            stored_at: Moment::now(),
        });
        MemoryReceipt(self.halves.len() - 1)
    }

    fn show(&mut self, body: Vec<u8>, properties: HashMap<String, String>) {
        let name = properties.get(MESSAGE_NAME).filter(|name| !name.is_empty()).cloned();
        let name = name.unwrap_or_else(|| format!("MESSAGE{:04}", self.visible.len()));
        self.visible.push(Message {
            message_id: MessageId::of_delivery(&name, &body),
            body,
            properties,
            deliveries: 0,
            stored_at: self.clock.as_ref().map(Clock::now),
            visible_at: Moment::now(),
            acknowledged: false,
        });
    }

    /// Whether this publication of the event is visible.
    fn holds(&self, event_id: EventId, transaction_id: TransactionId) -> bool {
        let (event_id, transaction_id) = (event_id.to_string(), transaction_id.to_string());
        self.visible.iter().any(|message| {
            message.properties.get(message::EVENT_ID) == Some(&event_id)
                && message.properties.get(message::TRANSACTION_ID) == Some(&transaction_id)
        })
    }

    /// Whether every message that was stored at `at` or earlier was delivered at least once.
    fn has_delivered_all_up_to(&self, at: Timestamp) -> bool {
        let waiting = self.visible.iter().filter(|message| message.deliveries == 0);
        waiting.into_iter().all(|message| message.stored_at.is_some_and(|stored| stored > at))
    }

    /// Hides the delivered messages for `invisible_for`.
    fn deliver(&mut self, count: usize, invisible_for: Duration) -> Vec<MemoryDelivery> {
        let now = Moment::now();
        let weather = self.weather.clone();
        let waiting = self.visible.iter_mut().enumerate();
        waiting
            .filter(|(_, message)| !message.acknowledged && message.visible_at <= now)
            .filter(|_| !weather.overtakes())
            .take(count)
            .map(|(at, message)| {
                message.visible_at = now + invisible_for;
                message.deliveries += 1;
                MemoryDelivery {
                    at,
                    message_id: message.message_id.clone(),
                    body: message.body.clone(),
                    properties: message.properties.clone(),
                    redeliveries: message.deliveries - 1,
                }
            })
            .collect()
    }

    /// When the next hidden message becomes visible.
    fn next_arrival(&self) -> Option<Moment> {
        let hidden = self.visible.iter().filter(|message| !message.acknowledged);
        hidden.map(|message| message.visible_at).min()
    }

    /// The message of a delivery; `None` if it was delivered again since.
    fn delivered(&mut self, delivery: &MemoryDelivery) -> Option<&mut Message> {
        let message = &mut self.visible[delivery.at];
        (message.deliveries == delivery.redeliveries + 1).then_some(message)
    }
}

fn away() -> Failure {
    Failure::new(FailureClass::Unavailable, "no broker can be reached")
}

async fn wait_in_vain(deadline: Deadline) {
    tokio::time::sleep(deadline.remaining()).await;
}

fn properties(half: &StoredHalf) -> HashMap<String, String> {
    let sent = &half.message;
    let mut properties = HashMap::from([
        (message::EVENT_ID.to_owned(), sent.event_id.to_string()),
        (message::TRANSACTION_ID.to_owned(), half.transaction_id.to_string()),
        (message::DEADLINE_MS.to_owned(), half.deadline.as_millis().to_string()),
        (message::SCHEMA_VERSION.to_owned(), sent.schema_version.to_string()),
        (message::AGGREGATE_VERSION.to_owned(), sent.aggregate_version.to_string()),
    ]);
    let aggregate = sent.aggregate.map(|aggregate| aggregate.to_string());
    properties.extend(aggregate.map(|value| (message::AGGREGATE.to_owned(), value)));
    if half.is_recorded {
        properties.insert(message::RECORDED.to_owned(), true.to_string());
    }
    let traceparent = sent.traceparent.clone();
    properties.extend(traceparent.map(|value| (message::TRACEPARENT.to_owned(), value)));
    properties
}
