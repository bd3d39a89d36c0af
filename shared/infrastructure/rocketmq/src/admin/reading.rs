use std::collections::HashMap;
use std::time::Duration;

use application::deadline::Deadline;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_model::common::sys_flag::message_sys_flag::MessageSysFlag;
use rocketmq_model::common::sys_flag::pull_sys_flag::PullSysFlag;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::common::message::message_decoder::decodes_batch;
use rocketmq_protocol::protocol::header::pull_message_request_header::PullMessageRequestHeader;
use rocketmq_protocol::protocol::header::pull_message_response_header::PullMessageResponseHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use super::{AdminError, REQUEST_TIMEOUT, RocketmqAdmin};
use crate::body::inflated;
use crate::call::millis;
use crate::fault::{BrokerAnswer, Missing, SUCCESS, broker_failure};
use crate::route::Holder;

/// How long one request for messages is repeated while there is no answer.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// How many messages one request asks for.
const READ_BATCH: i32 = 32;

/// A group that every broker has from the start, for tools that read topics (`MixAll.java`).
const TOOLS_GROUP: &str = "TOOLS_CONSUMER";

/// A message on a topic. Each copy of a message is a separate one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The name of the broker that holds it; a master and its replicas have one name.
    pub broker: String,
    /// One of the topic's queues on this broker, from 0.
    pub queue_id: i32,
    /// The offset in the queue, from 0 and without gaps.
    pub queue_offset: i64,
    /// When the broker stored it, in milliseconds since 1970-01-01T00:00:00Z.
    pub stored_at_ms: i64,
    /// The body, decompressed if that is possible.
    pub body: Vec<u8>,
    /// Whether its producer compressed the body.
    pub is_compressed: bool,
    /// The tag: an event's type. Announcements of dead letters have none.
    pub tag: Option<String>,
    /// The keys by which a broker finds it, such as an event's `event_id`.
    pub keys: Vec<String>,
    /// All properties, including the broker's and the client's own, such as `TAGS` and `PGROUP`.
    pub properties: HashMap<String, String>,
}

/// How far a topic was read: the next offset in each queue of each broker. The default is the
/// beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(HashMap<(String, i32), u64>);

impl RocketmqAdmin {
    /// Reads every copy of every message on a topic after `positions`, and advances `positions`. No
    /// group's position changes. A broker without a master is read from a replica.
    ///
    /// # Errors
    ///
    /// [`AdminError`], if a broker can't be read. `positions` are then unchanged for the queues
    /// that were not read.
    pub async fn read_topic(
        &self,
        topic: &str,
        positions: &mut Positions,
    ) -> Result<Vec<StoredMessage>, AdminError> {
        self.read_topic_of(topic, None, positions).await
    }

    /// Like [`RocketmqAdmin::read_topic`], for one broker or for all of them.
    async fn read_topic_of(
        &self,
        topic: &str,
        broker: Option<&str>,
        positions: &mut Positions,
    ) -> Result<Vec<StoredMessage>, AdminError> {
        let mut messages = Vec::new();
        let holders = self.readable(topic, Deadline::after(REQUEST_TIMEOUT)).await?;
        let is_wanted = |holder: &Holder| broker.is_none_or(|broker| holder.name == broker);
        for holder in holders.into_iter().filter(is_wanted) {
            for queue_id in 0..i32::try_from(holder.read_queues).unwrap_or(i32::MAX) {
                let position = positions.0.entry((holder.name.to_string(), queue_id)).or_default();
                self.read_queue(topic, &holder, queue_id, position, &mut messages).await?;
            }
        }
        Ok(messages)
    }

    /// Reads one broker's messages of a topic, from the beginning. Other brokers need not be
    /// running.
    ///
    /// # Errors
    ///
    /// [`AdminError`], if the broker can't be read.
    pub async fn read_topic_on(
        &self,
        topic: &str,
        broker: &str,
    ) -> Result<Vec<StoredMessage>, AdminError> {
        self.read_topic_of(topic, Some(broker), &mut Positions::default()).await
    }

    async fn read_queue(
        &self,
        topic: &str,
        holder: &Holder,
        queue_id: i32,
        position: &mut u64,
        messages: &mut Vec<StoredMessage>,
    ) -> Result<(), AdminError> {
        loop {
            let request = pull_request(topic, queue_id, *position)?;
            let address = holder.address.clone();
            // A raw request, because the client's pull decompresses bodies and stops at the first
            // one that it cannot (`mq_client_instance.rs` of rocketmq-client-rust 1.0.0).
            let request =
                RemotingCommand::create_request_command(RequestCode::PullMessage, request);
            let mut answer = self.answer(&address, request, Deadline::after(READ_LIMIT)).await?;
            let Pulled { found, next } = pulled(&mut answer)?;
            messages.extend(found.iter().map(|message| stored(message, &holder.name, queue_id)));
            // If the offset was deleted already, the broker answers with the oldest existing one.
            if found.is_empty() && next <= *position {
                return Ok(());
            }
            *position = next;
        }
    }
}

fn pull_request(
    topic: &str,
    queue_id: i32,
    offset: u64,
) -> Result<PullMessageRequestHeader, AdminError> {
    let queue_offset = i64::try_from(offset).map_err(|error| AdminError::Request(error.into()))?;
    let sys_flag = PullSysFlag::build_sys_flag(false, false, true, false);
    Ok(PullMessageRequestHeader {
        consumer_group: TOOLS_GROUP.into(),
        topic: topic.into(),
        queue_id,
        queue_offset,
        max_msg_nums: READ_BATCH,
        sys_flag: i32::try_from(sys_flag).unwrap_or_default(),
        suspend_timeout_millis: millis(REQUEST_TIMEOUT),
        subscription: Some("*".into()),
        expression_type: Some("TAG".into()),
        ..PullMessageRequestHeader::default()
    })
}

/// A broker's answer to a pull: the messages, and the offset of the next request.
struct Pulled {
    found: Vec<MessageExt>,
    next: u64,
}

fn pulled(answer: &mut RemotingCommand) -> Result<Pulled, AdminError> {
    const WITHOUT_MESSAGES: [ResponseCode; 3] = [
        ResponseCode::PullNotFound,
        ResponseCode::PullRetryImmediately,
        ResponseCode::PullOffsetMoved,
    ];
    let code = answer.code();
    if !WITHOUT_MESSAGES.iter().any(|known| *known as i32 == code)
        && let Some(refused) = BrokerAnswer::unless_success(answer)
    {
        return Err(broker_failure(refused).into());
    }
    let header = answer.decode_command_custom_header::<PullMessageResponseHeader>();
    let header = header.map_err(|error| AdminError::Request(error.into()))?;
    let next = u64::try_from(header.next_begin_offset);
    let next = next.map_err(|error| AdminError::Request(error.into()))?;
    let mut body = answer.take_body().filter(|_| code == SUCCESS).unwrap_or_default();
    let found = decodes_batch(&mut body, true, false);
    if !body.is_empty() {
        let missing = "a message of the broker's answer could not be read".to_owned();
        return Err(AdminError::Request(Missing(missing).into()));
    }
    Ok(Pulled { found, next })
}

fn stored(message: &MessageExt, broker: &str, queue_id: i32) -> StoredMessage {
    let inner = message.message_inner();
    let inflated = inflated(message.sys_flag(), inner.body_slice());
    let properties = message.properties().iter();
    StoredMessage {
        broker: broker.to_owned(),
        queue_id,
        queue_offset: message.queue_offset(),
        stored_at_ms: message.store_timestamp(),
        body: inflated.ok().flatten().unwrap_or_else(|| inner.body_slice().to_vec()),
        is_compressed: message.sys_flag() & MessageSysFlag::COMPRESSED_FLAG != 0,
        tag: inner.tags().map(str::to_owned),
        keys: inner.keys().unwrap_or_default(),
        properties: properties.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
    }
}
