//! Receives and acknowledges messages, by POP.
//!
//! A broker delivers messages and makes them invisible to other consumers for a while; a message
//! that is not acknowledged is delivered again. There is no rebalancing and no heartbeat, so any
//! number of short-lived processes can share the group. The same request also returns the retries
//! of messages, from a retry topic that the broker keeps for the group.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{Clock, Delivery, EventSubscription, MessageId, Topic, UnreadableBody};
use rocketmq_model::common::message::MessageConst;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::ack_message_request_header::AckMessageRequestHeader;
use rocketmq_protocol::protocol::header::change_invisible_time_request_header::ChangeInvisibleTimeRequestHeader;
use rocketmq_protocol::protocol::header::extra_info_util::ExtraInfoUtil;
use rocketmq_protocol::protocol::header::pop_message_request_header::PopMessageRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::body::inflated;
use crate::call::millis;
use crate::client::{RocketmqClient, StartError};
use crate::config::RocketmqConfig;
use crate::fault::{BrokerAnswer, broker_failure};
use crate::polls::{Polled, Polls, Source};
use crate::pop::{Popped, popped};
use crate::published;
use crate::route::Master;
use crate::session::{Role, Session, Sessions};

/// How long a received message is invisible to others: the time to wait for its turn, to handle its
/// event and to record a failure, and some more. A message that was delivered to a dead connection
/// is delivered again after this time.
const INVISIBLE_FOR: Duration = Duration::from_secs(20);

/// The most messages per request; the broker returns no more than 32 (`PopMessageProcessor.java`).
const BATCH_MAX: usize = 32;

/// How long a broker waits for messages before it answers without any.
const POLL_FOR: Duration = Duration::from_millis(1500);

/// The part of the caller's time that is reserved for the answer. With less time left no messages
/// are requested, so that none is delivered to a caller that has stopped waiting. Such a message
/// would stay invisible, and be delivered again as a retry.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// How old a received message may be when it is returned. A process that was frozen may hold older
/// ones; by then the broker has delivered them to another consumer.
const VALID_FOR: Duration = Duration::from_secs(8);

/// How late an answer may be, if the caller has the time. The client closes a connection after the
/// first late answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait if a broker already has too many waiting requests.
const POLLING_FULL_PAUSE: Duration = Duration::from_millis(200);

/// How long an acknowledgement or a change of visibility may take.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The shortest delay of a retry: the broker refuses less than 10 ms.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(10);

/// The messages of our topics for the group `event-consumer`. Many tasks may use it at once.
pub struct RocketmqSubscription {
    clock: Arc<dyn Clock>,
    sessions: Sessions,
    polls: Polls<RocketmqDelivery>,
    /// The connections for acknowledgements, separate from the polls: after a late answer, the
    /// client closes the connection, and every running request on it fails (`request.rs` of
    /// rocketmq-transport 1.0.0).
    settlements: Sessions,
    group: String,
}

struct Poll {
    /// Whether the previous poll of this source failed.
    has_failed: bool,
    topic: Topic,
    group: String,
    request: PopMessageRequestHeader,
    master: Master,
    session: Arc<Session>,
}

/// A message with its body and what acknowledges it. Unless it is settled within the time for
/// which it is invisible, the broker delivers it again.
#[derive(Debug)]
pub struct RocketmqDelivery {
    message: MessageExt,
    /// The decompressed body, if the message's body is compressed.
    inflated: Result<Option<Vec<u8>>, UnreadableBody>,
    message_id: MessageId,
    receipt: PopReceipt,
}

/// What an acknowledgement must send back to the broker. It is valid for one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PopReceipt {
    broker: String,
    /// The topic that was polled.
    polled: Topic,
    /// The topic that holds the message: the polled one, or a retry topic of the group.
    topic: String,
    queue_id: i32,
    queue_offset: i64,
    extra_info: String,
}

impl RocketmqSubscription {
    /// Starts a separate client. Nothing is sent before the first [`EventSubscription::receive`].
    ///
    /// # Errors
    ///
    /// [`StartError`], if the client's threads could not be started.
    pub fn start(config: RocketmqConfig, clock: impl Clock + 'static) -> Result<Self, StartError> {
        Ok(Self::new(RocketmqClient::start(config)?, clock))
    }

    /// Subscribes with a client that other adapters may share.
    pub fn new(client: RocketmqClient, clock: impl Clock + 'static) -> Self {
        let group = client.config().event_consumer_group();
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let sessions = Sessions::new(client.clone(), Arc::clone(&clock), Role::Receiver);
        let settlements = Sessions::new(client, Arc::clone(&clock), Role::Receiver);
        Self { clock, sessions, polls: Polls::new(VALID_FOR, BATCH_MAX), settlements, group }
    }

    /// Disconnects. If this is the last adapter of the client, the client is shut down too.
    /// Messages that were not acknowledged are delivered again when they become visible.
    pub async fn shutdown(self) {
        drop(self.polls);
        self.settlements.shutdown().await;
        self.sessions.shutdown().await;
    }

    /// Starts a poll of each master of our topics that has no running one.
    async fn begin(&self, most: usize, deadline: Deadline) -> Result<(), Failure> {
        let session = self.sessions.acquire(deadline).await?;
        let masters = match masters(&session, deadline).await {
            Ok(masters) => masters,
            Err(failure) => {
                session.suspect();
                return Err(failure);
            }
        };
        let wait = POLL_FOR.min(deadline.less(ANSWER_MARGIN).remaining());
        self.polls.begin(masters, most.clamp(1, BATCH_MAX), |source, master, caution| {
            let poll = Poll {
                has_failed: caution.has_failed,
                topic: source.topic,
                group: self.group.clone(),
                request: self.pop_request(source.topic, caution.most, wait),
                master,
                session: Arc::clone(&session),
            };
            let clock = Arc::clone(&self.clock);
            async move {
                let polled = poll.run(deadline).await;
                let at = clock.now();
                match &polled {
                    Ok(_) => poll.session.prove(at),
                    Err(_) => poll.session.suspect(),
                }
                (at, polled)
            }
        });
        Ok(())
    }

    fn pop_request(&self, topic: Topic, most: usize, wait: Duration) -> PopMessageRequestHeader {
        PopMessageRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: self.sessions.client().config().topic_name(topic).into(),
            // Any queue of the broker.
            queue_id: -1,
            max_msg_nums: u32::try_from(most).unwrap_or(1),
            invisible_time: millis(INVISIBLE_FOR),
            poll_time: millis(wait),
            // With 0, the broker uses its own clock (`PopMessageProcessor.java`). With ours, it
            // would refuse requests that look half a second old.
            born_time: 0,
            // A new group starts at the oldest message (ConsumeInitMode.java).
            init_mode: 0,
            exp_type: Some("TAG".into()),
            exp: Some("*".into()),
            order: Some(false),
            attempt_id: None,
            topic_request_header: None,
        }
    }

    async fn settle(
        &self,
        receipt: &PopReceipt,
        request: RemotingCommand,
        what: &'static str,
    ) -> WriteTry<Infallible> {
        let deadline = Deadline::after(SETTLE_TIMEOUT);
        let session = match self.settlements.acquire(deadline).await {
            Ok(session) => session,
            Err(failure) => return WriteTry::NotBegun(failure),
        };
        let call = async {
            let address = session.master_address(receipt.polled, &receipt.broker, deadline).await?;
            session.invoke(&address, request, deadline, what).await
        };
        let answered = call.await.map(|answer| {
            session.prove(self.clock.now());
            BrokerAnswer::unless_success(&answer)
        });
        match answered {
            Ok(None) => WriteTry::Done,
            Ok(Some(refusal)) => WriteTry::NotBegun(broker_failure(refusal)),
            Err(failure) => {
                session.suspect();
                WriteTry::Unknown(failure)
            }
        }
    }
}

impl Poll {
    async fn run(&self, deadline: Deadline) -> Result<Polled<RocketmqDelivery>, Failure> {
        if self.has_failed {
            self.probe(deadline).await?;
        }
        let wait = Duration::from_millis(self.request.poll_time);
        let limit = Deadline::after(wait + ANSWER_TIMEOUT).or_earlier(deadline);
        let Master { name, address, .. } = &self.master;
        // A raw request: the client's own call drops what it can't decode, without a word.
        let request =
            RemotingCommand::create_request_command(RequestCode::PopMessage, self.request.clone());
        let answer = self.session.invoke(address, request, limit, "receiving").await?;
        match popped(answer, &self.request.topic, name)? {
            Popped::Messages(messages, loss) => {
                let deliveries = messages.into_iter().filter_map(|message| self.delivery(message));
                Ok(Polled { messages: deliveries.collect(), loss: loss.map(Failure::from) })
            }
            Popped::Nothing => Ok(Polled::default()),
            Popped::PollingFull => {
                tokio::time::sleep(POLLING_FULL_PAUSE.min(deadline.remaining())).await;
                Ok(Polled::default())
            }
        }
    }

    /// Checks that the broker answers before messages are requested from it. A stopped broker
    /// buffers requests, and when it continues it delivers messages to callers that have stopped
    /// waiting.
    async fn probe(&self, deadline: Deadline) -> Result<(), Failure> {
        let limit = Deadline::after(ANSWER_TIMEOUT).or_earlier(deadline);
        let probe = published::probe(&self.request.topic);
        let what = "asking whether a broker answers";
        self.session.invoke(&self.master.address, probe, limit, what).await.map(drop)
    }

    /// A message without a receipt can't be acknowledged; it is delivered again when it becomes
    /// visible.
    fn delivery(&self, message: MessageExt) -> Option<RocketmqDelivery> {
        let Some(receipt) = pop_receipt(&message, self.topic, &self.group) else {
            tracing::error!(message_id = %message.msg_id(), "rocketmq.delivery_without_receipt");
            return None;
        };
        let body = message.message_inner().body_slice();
        // Its producer chose the name, or its client did. Only where it is missing the broker makes
        // one (`SendMessageProcessor.java`); its retries have the same.
        let name = property(&message, MessageConst::PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
        let message_id = MessageId::of_delivery(name.unwrap_or(message.msg_id()), body);
        let inflated = inflated(message.sys_flag(), body);
        Some(RocketmqDelivery { message, inflated, message_id, receipt })
    }
}

/// The masters of our topics, as sources of polls.
async fn masters(session: &Session, deadline: Deadline) -> Result<Vec<(Source, Master)>, Failure> {
    let mut masters = Vec::new();
    for topic in Topic::ALL {
        // A name server that falls silent meanwhile must not take the caller's whole time.
        let limit = Deadline::after(ANSWER_TIMEOUT).or_earlier(deadline);
        match session.masters(topic, limit).await {
            Ok(found) => masters.extend(found.into_iter().map(|master| {
                let source = Source { topic, broker: master.name.to_string() };
                (source, master)
            })),
            // Orders must not wait for the user topic, which may not exist yet.
            Err(failure) if topic == Topic::Users => {
                tracing::warn!(cause = %failure.cause, "rocketmq.user_topic_without_route");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(masters)
}

impl EventSubscription for RocketmqSubscription {
    type Delivery = RocketmqDelivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<RocketmqDelivery>, Failure> {
        if let Some(received) = self.polls.take(most, self.clock.now()) {
            return received;
        }
        let has_time = !deadline.less(ANSWER_MARGIN).has_passed();
        if has_time {
            self.begin(most, deadline).await?;
        }
        let limit = POLL_FOR.min(deadline.remaining());
        if self.polls.changed(limit).await
            && let Some(received) = self.polls.take(most, self.clock.now())
        {
            return received;
        }
        if !has_time {
            // Wait, so that a caller that calls again at once does not spin.
            tokio::time::sleep(deadline.remaining()).await;
        }
        Ok(Vec::new())
    }

    async fn acknowledge(&self, delivery: &RocketmqDelivery) -> WriteTry<Infallible> {
        let receipt = &delivery.receipt;
        let header = AckMessageRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: receipt.topic.as_str().into(),
            queue_id: receipt.queue_id,
            extra_info: receipt.extra_info.as_str().into(),
            offset: receipt.queue_offset,
            lite_topic: None,
            topic_request_header: None,
        };
        // A raw request, because the client's call turns every answer but success into "does not
        // exist".
        let request = RemotingCommand::create_request_command(RequestCode::AckMessage, header);
        self.settle(receipt, request, "acknowledging").await
    }

    async fn retry_after(
        &self,
        delivery: &RocketmqDelivery,
        delay: Duration,
    ) -> WriteTry<Infallible> {
        let receipt = &delivery.receipt;
        let delay_ms = i64::try_from(delay.max(RETRY_DELAY_MIN).as_millis()).unwrap_or(i64::MAX);
        let header = ChangeInvisibleTimeRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: receipt.topic.as_str().into(),
            queue_id: receipt.queue_id,
            extra_info: receipt.extra_info.as_str().into(),
            offset: receipt.queue_offset,
            invisible_time: delay_ms,
            lite_topic: None,
            suspend: false,
            topic_request_header: None,
        };
        let code = RequestCode::ChangeMessageInvisibleTime;
        let request = RemotingCommand::create_request_command(code, header);
        self.settle(receipt, request, "asking for a retry").await
    }
}

impl Delivery for RocketmqDelivery {
    fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    fn body(&self) -> Result<&[u8], &UnreadableBody> {
        Ok(self.inflated.as_ref()?.as_deref().unwrap_or_else(|| self.raw_body()))
    }

    fn raw_body(&self) -> &[u8] {
        self.message.message_inner().body_slice()
    }

    fn property(&self, name: &str) -> Option<&str> {
        property(&self.message, name)
    }

    fn redeliveries(&self) -> u32 {
        redeliveries(self.message.reconsume_times())
    }
}

/// The broker adds one with each retry to the count that the producer sent, which may be any
/// (`SendMessageProcessor.java`, `PopReviveService.java`). A negative one counts as the highest: if
/// it counted as zero, the message would seem to be new for ever.
fn redeliveries(reconsume_times: i32) -> u32 {
    u32::try_from(reconsume_times).unwrap_or(u32::MAX)
}

pub(crate) fn property<'a>(message: &'a MessageExt, name: &str) -> Option<&'a str> {
    message.message_inner().property(name)
}

/// Reads the receipt from the property `POP_CK`. The receipt names the topic on which to
/// acknowledge. If the message's own topic is used instead, the broker acknowledges nothing and
/// still answers with success.
fn pop_receipt(message: &MessageExt, polled: Topic, group: &str) -> Option<PopReceipt> {
    let extra_info = property(message, MessageConst::PROPERTY_POP_CK)?;
    let parts = ExtraInfoUtil::split(extra_info);
    Some(PopReceipt {
        broker: ExtraInfoUtil::get_broker_name(&parts).ok()?,
        polled,
        topic: ExtraInfoUtil::get_real_topic(&parts, message.topic(), group).ok()?,
        queue_id: ExtraInfoUtil::get_queue_id(&parts).ok()?,
        queue_offset: ExtraInfoUtil::get_queue_offset(&parts).ok()?,
        extra_info: extra_info.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::redeliveries;

    #[test]
    fn no_count_of_a_producer_makes_a_message_new_for_ever() {
        assert_eq!([0, 1, 153].map(redeliveries), [0, 1, 153]);
        assert_eq!([-1, i32::MIN].map(redeliveries), [u32::MAX; 2]);
    }
}
