//! Messages of a test's own on the order topic.

use std::collections::BTreeMap;
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
use crate::remoting::{Frame, ask, code, status};

/// How long one message may take.
const LIMIT: Duration = Duration::from_secs(10);

/// In a message's flags: it is a half message (`MessageSysFlag.java`).
const PREPARED: i32 = 0x4;

/// What ends a half message with a commit (`MessageSysFlag.java`, `TRANSACTION_COMMIT_TYPE`).
const COMMIT: i32 = 0x8;

/// Publishes a body on a system's order topic with the flags that a client would have given it, by
/// frames of our own: no client of ours compresses so.
///
/// # Errors
/// When the broker does not take it.
pub async fn publish_flagged(
    endpoints: &Endpoints,
    names: &Names,
    event_id: Uuid,
    flags: i32,
    body: Bytes,
) -> anyhow::Result<()> {
    let broker = broker_address(&endpoints.namesrv).await?;
    let checked_group = format!("{}transaction-check", names.group_prefix);
    let id = event_id.to_string();
    let unique_key = event_id.simple().to_string().to_uppercase();
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
    let properties = properties.map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).concat();
    let prepared = (flags | PREPARED).to_string();
    let half = [
        ("producerGroup", checked_group.as_str()),
        ("topic", &names.topic),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "0"),
        ("sysFlag", &prepared),
        ("bornTimestamp", &born_ms),
        ("flag", "0"),
        ("properties", &properties),
        ("reconsumeTimes", "0"),
        ("unitMode", "false"),
        ("batch", "false"),
    ];
    let mut half = Frame::request(code::SEND_MESSAGE, 1, fields(&half));
    half.body = body;
    let stored = succeeded(ask(&broker, &half).await?)?;
    let field = |name: &str| {
        stored.fields.get(name).with_context(|| format!("the half message has no {name}"))
    };
    let offset_id = field("msgId")?;
    let at = offset_id.get(offset_id.len().saturating_sub(16)..).context("a short message id")?;
    let commit_log_offset = u64::from_str_radix(at, 16)?.to_string();
    let commit = COMMIT.to_string();
    let end = [
        ("topic", names.topic.as_str()),
        ("producerGroup", &checked_group),
        ("tranStateTableOffset", field("queueOffset")?),
        ("commitLogOffset", &commit_log_offset),
        ("commitOrRollback", &commit),
        ("fromTransactionCheck", "false"),
        ("msgId", &unique_key),
        ("transactionId", &unique_key),
    ];
    let end = Frame::request(code::END_TRANSACTION, 2, fields(&end));
    succeeded(ask(&broker, &end).await?).map(drop)
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn succeeded(answer: Frame) -> anyhow::Result<Frame> {
    anyhow::ensure!(answer.code == status::SUCCESS, "the broker refused it: {answer:?}");
    Ok(answer)
}

/// Publishes on a system's order topic, past all proxies, whatever a test has to say there.
pub struct Publishing(RocketmqPublisher);

impl Publishing {
    /// Connects.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub async fn start(endpoints: &Endpoints, names: &Names) -> anyhow::Result<Self> {
        let config = rocketmq_config(endpoints, names)?;
        Ok(Self(RocketmqPublisher::start(config, SystemClock).await?))
    }

    /// Publishes one message, of an event of `aggregate` or of none. The topic takes only half
    /// messages, so it is one that is committed at once.
    ///
    /// # Errors
    /// When the broker does not take it in time.
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
            // A check-back of a copy must not take it for the attempt that created the order.
            is_recorded: aggregate.is_some(),
        };
        let within = Deadline::after(LIMIT);
        let receipt = self.0.prepare(&half, within).await?;
        self.0.end(&receipt, Resolution::Commit, within).await?;
        Ok(())
    }

    /// Disconnects.
    pub async fn stop(self) {
        self.0.shutdown().await;
    }
}
