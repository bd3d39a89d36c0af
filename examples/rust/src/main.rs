//! Prints the changes of orders, each once and in their order: `subscriber NAMESRV TOPIC GROUP JOURNAL`
//!
//! NAMESRV is the address of a name server, such as 127.0.0.1:9876. JOURNAL is a file; it stands for
//! the database of a real subscriber, which stores an event's effect and its id in one transaction.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contracts::event::Event;
use rocketmq_client_rust::{
    ClientRuntime, ClientRuntimeConfig, ConsumeConcurrentlyContext, ConsumeConcurrentlyStatus,
    DefaultMQPushConsumer, MQPushConsumer,
};
use rocketmq_model::common::consumer::consume_from_where::ConsumeFromWhere;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::{RuntimeConfig, RuntimeOwner, ShutdownDeadline};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

type AnyError = Box<dyn Error + Send + Sync>;

/// How many messages are handled at once. The client runs and queues 40 calls of a listener on two
/// cores, and sends the messages of more calls back to the broker.
const HANDLED_AT_ONCE: u32 = 4;

/// How long the end of the program may wait for the client.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A change of an order: a line of the journal.
#[derive(Serialize, Deserialize)]
struct Change {
    event_id: String,
    #[serde(rename = "type")]
    event_type: String,
    order_id: String,
    aggregate_version: u32,
    status: String,
}

/// What is printed: a change with the order's statuses so far.
#[derive(Serialize)]
struct Printed<'orders> {
    #[serde(flatten)]
    change: &'orders Change,
    history: &'orders [String],
}

/// What is known of one order.
#[derive(Default)]
struct Order {
    /// The statuses that were handled.
    history: Vec<String>,
    /// By version, the changes that wait for an earlier one.
    waiting: HashMap<u32, Change>,
}

impl Order {
    /// Takes the change whose turn it is: none while an earlier one is missing.
    fn next(&mut self) -> Option<Change> {
        // Events are delivered in any order. An order's versions count its changes from 1, without
        // a gap.
        let version = u32::try_from(self.history.len()).ok()? + 1;
        let change = self.waiting.remove(&version)?;
        self.history.push(change.status.clone());
        Some(change)
    }
}

/// The changes of orders that were stored.
struct Orders {
    journal: File,
    seen: HashSet<String>,
    by_id: HashMap<String, Order>,
}

impl Orders {
    fn open(path: &str) -> Result<Self, AnyError> {
        let mut journal = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut stored = Vec::new();
        journal.read_to_end(&mut stored)?;
        // After a crash the last line may be incomplete. Its event was not acknowledged.
        let end = stored.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        stored.truncate(end);
        journal.set_len(u64::try_from(end)?)?;
        let mut orders = Self { journal, seen: HashSet::new(), by_id: HashMap::new() };
        for line in stored.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let order = orders.remember(serde_json::from_slice(line)?);
            while order.next().is_some() {}
        }
        Ok(orders)
    }

    fn remember(&mut self, change: Change) -> &mut Order {
        self.seen.insert(change.event_id.clone());
        let order = self.by_id.entry(change.order_id.clone()).or_default();
        order.waiting.insert(change.aggregate_version, change);
        order
    }

    /// Stores an event and prints the changes whose turn it is; none if it was stored before.
    fn handle(&mut self, body: &[u8]) -> Result<(), AnyError> {
        // Members that it does not know are ignored, and another schema version is an error.
        let event = Event::decode(body)?;
        // Each event is delivered at least once, and has the same id each time.
        let event_id = event.id.to_string();
        if self.seen.contains(&event_id) {
            return Ok(());
        }
        let order = event.data.order().ok_or("not an event of an order")?;
        let change = Change {
            event_id,
            event_type: event.data.event_type().as_str().to_owned(),
            order_id: order.order_id.to_string(),
            aggregate_version: order.aggregate_version,
            status: order.status.clone(),
        };
        let mut line = serde_json::to_vec(&change)?;
        line.push(b'\n');
        self.journal.write_all(&line)?;
        // It reaches the disk before the event is acknowledged.
        self.journal.sync_data()?;
        let order = self.remember(change);
        let mut next = order.next();
        if next.is_none() {
            eprintln!("event {} waits for an earlier one of its order", event.id);
        }
        while let Some(change) = next {
            let printed = Printed { change: &change, history: &order.history };
            println!("{}", serde_json::to_string(&printed)?);
            next = order.next();
        }
        Ok(())
    }
}

/// Success is the acknowledgement: it is returned only after the effect is stored.
fn consume(orders: &Mutex<Orders>, messages: &[&MessageExt]) -> ConsumeConcurrentlyStatus {
    for message in messages {
        let body = message.body().unwrap_or_default();
        let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = orders.handle(&body) {
            // It is delivered again later, and in the end it is a dead letter of the group.
            eprintln!("message {}: {error}", message.msg_id());
            return ConsumeConcurrentlyStatus::ReconsumeLater;
        }
    }
    ConsumeConcurrentlyStatus::ConsumeSuccess
}

/// Consumes until SIGTERM or Ctrl-C.
async fn run(mut consumer: DefaultMQPushConsumer, topic: &str) -> Result<(), AnyError> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    consumer.subscribe(topic, "*").await?;
    consumer.start().await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    consumer.shutdown().await;
    Ok(())
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [namesrv, topic, group, journal] = arguments.as_slice() else {
        return Err("usage: subscriber NAMESRV TOPIC GROUP JOURNAL".into());
    };
    let orders = Mutex::new(Orders::open(journal)?);

    // The client runs on a runtime of its own kind.
    let owner = RuntimeOwner::plan(RuntimeConfig::default())
        .map_err(|violation| format!("{violation:?}"))?
        .build()?;
    let telemetry = TelemetryRuntimeGuard::noop();
    let client = ClientRuntime::try_new(
        owner.root_context().component("client"),
        ClientRuntimeConfig::default(),
        telemetry.handle(),
    )
    .map_err(|error| error.into_error())?;
    let mut consumer = DefaultMQPushConsumer::builder(client.clone())
        .name_server_addr(namesrv.as_str())
        .consumer_group(group.as_str())
        // Where a group begins that has never consumed: with the oldest message that is still there.
        .consume_from_where(ConsumeFromWhere::ConsumeFromFirstOffset)
        .consume_thread_min(HANDLED_AT_ONCE)
        .consume_thread_max(HANDLED_AT_ONCE)
        .await_termination_millis_when_shutdown(u64::try_from(END_LIMIT.as_millis())?)
        .build();
    consumer.register_message_listener_concurrently(
        move |messages: &[&MessageExt], _context: &ConsumeConcurrentlyContext| {
            Ok(consume(&orders, messages))
        },
    );
    let ended = owner.block_on(run(consumer, topic));
    let deadline = ShutdownDeadline::after(END_LIMIT);
    owner.block_on(client.shutdown_until(deadline));
    drop(client);
    owner.shutdown_runtime_blocking_until(deadline)?;
    ended
}
