//! Messages that a test publishes itself.

use std::time::Duration;

use anyhow::Context;
use application::deadline::Deadline;
use application::ports::{
    Clock, HalfMessage, OutboundMessage, Resolution, Topic, TransactionalPublisher,
};
use bytes::Bytes;
use contracts::event::{EventType, SCHEMA_VERSION};
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};
use platform::clock::SystemClock;
use rocketmq::publisher::RocketmqPublisher;
use uuid::Uuid;

use crate::broker::broker_address;
use crate::provision::{Endpoints, Names, rocketmq_config};
use crate::remoting::{Frame, ask, code, fields, status};

const LIMIT: Duration = Duration::from_secs(10);

/// The flag of a half message (`MessageSysFlag.java`).
const PREPARED: i32 = 0x4;

/// The ends of a half message (`MessageSysFlag.java`, `TRANSACTION_COMMIT_TYPE` and
/// `TRANSACTION_ROLLBACK_TYPE`).
const COMMIT: i32 = 0x8;
const ROLLBACK: i32 = 0xc;

/// A half message with flags and a body that no client of this project makes, stored by hand-made
/// frames.
#[derive(Debug)]
pub struct FlaggedHalf {
    broker: String,
    topic: String,
    checked_group: String,
    queue_offset: String,
    commit_log_offset: String,
    /// The name that its producer gave it, by which the broker asks about it in a check-back.
    pub unique_key: String,
}

impl FlaggedHalf {
    /// Stores one on `topic`, which may belong to another system, with a system's checked group.
    ///
    /// # Errors
    /// [`Refused`] by the broker, or when it does not answer.
    pub async fn store(
        endpoints: &Endpoints,
        names: &Names,
        topic: &str,
        event_id: Uuid,
        body: (i32, Bytes),
    ) -> anyhow::Result<Self> {
        let name = event_id.simple().to_string().to_uppercase();
        Self::store_named(endpoints, names, topic, (event_id, name), body).await
    }

    /// Stores one with a name of its producer's choice.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub async fn store_named(
        endpoints: &Endpoints,
        names: &Names,
        topic: &str,
        (event_id, unique_key): (Uuid, String),
        (flags, body): (i32, Bytes),
    ) -> anyhow::Result<Self> {
        let broker = broker_address(&endpoints.namesrv).await?;
        let checked_group = format!("{}transaction-check", names.group_prefix);
        let id = event_id.to_string();
        let born_ms = SystemClock.now().as_millis().to_string();
        let properties = [
            ("TRAN_MSG", "true"),
            ("PGROUP", &checked_group),
            ("KEYS", &id),
            ("TAGS", EventType::OrderCreated.as_str()),
            ("UNIQ_KEY", &unique_key),
            ("event_id", &id),
            ("transaction_id", &id),
            ("deadline_ms", &born_ms),
        ];
        let properties =
            properties.map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).concat();
        let half = message(&checked_group, topic, flags | PREPARED, &properties, body);
        let stored = succeeded(ask(&broker, &half).await?)?;
        let field = |name: &str| {
            stored.fields.get(name).with_context(|| format!("the half message has no {name}"))
        };
        let offset_id = field("msgId")?;
        let at = offset_id.get(offset_id.len().saturating_sub(16)..);
        let commit_log_offset = u64::from_str_radix(at.context("a short message id")?, 16)?;
        Ok(Self {
            topic: topic.to_owned(),
            queue_offset: field("queueOffset")?.clone(),
            commit_log_offset: commit_log_offset.to_string(),
            broker,
            checked_group,
            unique_key,
        })
    }

    /// Ends the half message, and waits for the broker's answer.
    ///
    /// # Errors
    /// When the broker refuses it, or does not answer.
    pub async fn end(self, resolution: Resolution) -> anyhow::Result<()> {
        let commit_or_rollback = match resolution {
            Resolution::Commit => COMMIT,
            Resolution::Rollback => ROLLBACK,
        };
        let commit_or_rollback = commit_or_rollback.to_string();
        let end = [
            ("topic", self.topic.as_str()),
            ("producerGroup", &self.checked_group),
            ("tranStateTableOffset", &self.queue_offset),
            ("commitLogOffset", &self.commit_log_offset),
            ("commitOrRollback", &commit_or_rollback),
            ("fromTransactionCheck", "false"),
            ("msgId", &self.unique_key),
            ("transactionId", &self.unique_key),
        ];
        let end = Frame::request(code::END_TRANSACTION, 2, fields(&end));
        succeeded(ask(&self.broker, &end).await?).map(drop)
    }
}

/// Whether the broker stores messages. One is stored on a topic that every broker has
/// (`TopicConfigManager.java`), and belongs to no system.
///
/// # Errors
/// [`Refused`] by the broker, or when it does not answer.
pub async fn try_broker(endpoints: &Endpoints) -> anyhow::Result<()> {
    let broker = broker_address(&endpoints.namesrv).await?;
    let probe = message("probe", "BenchmarkTest", 0, "", Bytes::from_static(b"probe"));
    succeeded(ask(&broker, &probe).await?).map(drop)
}

/// A request to store a message.
fn message(group: &str, topic: &str, flags: i32, properties: &str, body: Bytes) -> Frame {
    let (flags, born_ms) = (flags.to_string(), SystemClock.now().as_millis().to_string());
    let message = [
        ("producerGroup", group),
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "0"),
        ("sysFlag", &flags),
        ("bornTimestamp", &born_ms),
        ("flag", "0"),
        ("properties", properties),
        ("reconsumeTimes", "0"),
        ("unitMode", "false"),
        ("batch", "false"),
    ];
    let mut request = Frame::request(code::SEND_MESSAGE, 1, fields(&message));
    request.body = body;
    request
}

/// The broker's answer that it refuses a request.
#[derive(Debug, thiserror::Error)]
#[error("the broker answers with code {code}: {remark}")]
pub struct Refused {
    /// Such as [`status::MESSAGE_ILLEGAL`].
    pub code: i32,
    /// The broker's reason; may be empty.
    pub remark: String,
}

fn succeeded(answer: Frame) -> anyhow::Result<Frame> {
    if answer.code == status::SUCCESS {
        return Ok(answer);
    }
    Err(Refused { code: answer.code, remark: answer.remark.unwrap_or_default() }.into())
}

/// Publishes any message on a system's order topic, without the proxies.
pub struct Publishing(RocketmqPublisher);

impl Publishing {
    /// # Errors
    /// When the cluster cannot be reached.
    pub async fn start(endpoints: &Endpoints, names: &Names) -> anyhow::Result<Self> {
        let config = rocketmq_config(endpoints, names)?;
        Ok(Self(RocketmqPublisher::start(config, SystemClock).await?))
    }

    /// Publishes one message, with or without the `aggregate` of its event. The topic accepts only
    /// half messages, so the message is sent as one and committed immediately.
    ///
    /// # Errors
    /// When the broker does not store and commit it in time.
    pub async fn publish(
        &self,
        event_id: Uuid,
        aggregate: Option<AggregateKey>,
        body: &str,
    ) -> anyhow::Result<()> {
        let event_id = EventId::new(event_id);
        let message = OutboundMessage {
            topic: Topic::Orders,
            event_id,
            event_type: EventType::OrderCreated,
            subject: "test".to_owned(),
            aggregate,
            schema_version: SCHEMA_VERSION,
            aggregate_version: 1,
            body: body.to_owned(),
            traceparent: None,
        };
        let half = HalfMessage {
            message: &message,
            transaction_id: TransactionId::new(*event_id.as_uuid()),
            deadline: SystemClock.now(),
            // A check-back of a copy must not treat it as the attempt that created the order.
            is_recorded: aggregate.is_some(),
        };
        let within = Deadline::after(LIMIT);
        let receipt = self.0.prepare(&half, within).await?;
        self.0.end(&receipt, Resolution::Commit, within).await?;
        Ok(())
    }

    pub async fn stop(self) {
        self.0.shutdown().await;
    }
}
