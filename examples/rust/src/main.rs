//! Prints the changes of orders, each once and in their order.
//!
//! `subscriber NAMESRV TOPIC GROUP DATABASE`
//!
//! NAMESRV is the address of a name server, such as 127.0.0.1:9876. DATABASE is a file of SQLite.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use contracts::event::Event;
use rocketmq_client_rust::{
    ClientRuntime, ClientRuntimeConfig, ConsumeConcurrentlyContext, ConsumeConcurrentlyStatus,
    DefaultMQPushConsumer, MQPushConsumer,
};
use rocketmq_model::common::consumer::consume_from_where::ConsumeFromWhere;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::RuntimeOwner;
use rusqlite::{Connection, OptionalExtension, params};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS changes (event_id TEXT PRIMARY KEY NOT NULL,
    type TEXT NOT NULL, order_id TEXT NOT NULL, aggregate_version INTEGER NOT NULL,
    status TEXT NOT NULL, handled INTEGER NOT NULL DEFAULT 0,
    UNIQUE (order_id, aggregate_version)) STRICT";
/// Each event is delivered at least once, with the same id each time.
const INSERT: &str =
    "INSERT INTO changes VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (event_id) DO NOTHING";
/// They come in any order. An order's versions count its changes from 1, without a gap.
const NEXT: &str = "UPDATE changes SET handled = 1 WHERE order_id = ?1
    AND aggregate_version = 1 + (SELECT count(*) FROM changes WHERE order_id = ?1 AND handled)
    RETURNING json_object('event_id', event_id, 'type', type, 'order_id', order_id,
        'aggregate_version', aggregate_version, 'status', status)";

/// How many messages are handled at once. The client runs and queues 40 calls of a listener on two
/// cores, and sends the messages of more calls back to the broker.
const HANDLED_AT_ONCE: u32 = 4;

type AnyError = Box<dyn Error + Send + Sync>;

fn handle(database: &mut Connection, body: &[u8]) -> Result<(), AnyError> {
    // Members that it does not know are ignored, and another schema version is an error.
    let event = Event::decode(body)?;
    let order = event.data.order().ok_or("not an event of an order")?;
    let (event_id, order_id) = (event.id.to_string(), order.order_id.to_string());
    let event_type = event.data.event_type().as_str();
    let mut changes: Vec<String> = Vec::new();
    // One transaction: a kill at any point loses and doubles nothing, because the database decides.
    let transaction = database.transaction()?;
    let row = params![event_id, event_type, order_id, order.aggregate_version, order.status];
    let is_new = transaction.execute(INSERT, row)? > 0;
    while let Some(change) =
        transaction.query_row(NEXT, [&order_id], |row| row.get(0)).optional()?
    {
        changes.push(change); // What is done about a change belongs here.
    }
    transaction.commit()?;
    if is_new && changes.is_empty() {
        eprintln!("event {event_id} waits for an earlier one of its order");
    }
    // Not in the transaction: after a kill before this, a change is handled and not printed.
    changes.iter().for_each(|change| println!("{change}"));
    Ok(())
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [namesrv, topic, group, file] = arguments.as_slice() else {
        return Err("usage: subscriber NAMESRV TOPIC GROUP DATABASE".into());
    };
    let database = Connection::open(file)?;
    database.execute(TABLE, [])?;
    let database = Mutex::new(database);

    let owner = RuntimeOwner::new()?;
    let telemetry = TelemetryRuntimeGuard::noop();
    let context = owner.root_context().component("client");
    let client =
        ClientRuntime::try_new(context, ClientRuntimeConfig::default(), telemetry.handle())
            .map_err(|error| error.into_error())?;
    let mut consumer = DefaultMQPushConsumer::builder(client)
        .name_server_addr(namesrv.as_str())
        .consumer_group(group.as_str())
        // Where a group begins that has never consumed: with the oldest message that is still there.
        .consume_from_where(ConsumeFromWhere::ConsumeFromFirstOffset)
        .consume_thread_min(HANDLED_AT_ONCE)
        .consume_thread_max(HANDLED_AT_ONCE)
        .build();
    // It gets one message at a time. Success is the acknowledgement, and comes after the commit.
    consumer.register_message_listener_concurrently(
        move |messages: &[&MessageExt], _context: &ConsumeConcurrentlyContext| {
            for message in messages {
                let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = handle(&mut database, &message.body().unwrap_or_default()) {
                    // It is delivered again later, and in the end it is a dead letter of the group.
                    eprintln!("message {}: {error}", message.msg_id());
                    return Ok(ConsumeConcurrentlyStatus::ReconsumeLater);
                }
            }
            Ok(ConsumeConcurrentlyStatus::ConsumeSuccess)
        },
    );
    owner.block_on(async {
        consumer.subscribe(topic.as_str(), "*").await?;
        consumer.start().await?;
        std::future::pending().await // Until SIGTERM or Ctrl-C.
    })
}
