//! Deliveries and acknowledgements, by POP.
//!
//! A broker hands out messages and makes them invisible to others for a while; what isn't
//! acknowledged comes again. There is no rebalancing and no heartbeat, so any number of short-lived
//! processes share the group. The retries of a message come by the same request, from a retry topic
//! that the broker keeps for the group.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, Settled};
use application::ports::{Clock, Delivery, EventSubscription, Topic, UnreadableBody};
use rocketmq_client_rust::PopStatus;
use rocketmq_model::common::message::MessageConst;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::ack_message_request_header::AckMessageRequestHeader;
use rocketmq_protocol::protocol::header::change_invisible_time_request_header::ChangeInvisibleTimeRequestHeader;
use rocketmq_protocol::protocol::header::extra_info_util::ExtraInfoUtil;
use rocketmq_protocol::protocol::header::pop_message_request_header::PopMessageRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::body::inflated;
use crate::call::{millis, millis_left, within};
use crate::client::{RocketmqClient, StartError};
use crate::config::RocketmqConfig;
use crate::fault::{BrokerAnswer, client_failure};
use crate::route::Master;
use crate::session::{Role, Session, Sessions};

/// How long a received message is ours.
const INVISIBLE_FOR: Duration = Duration::from_secs(30);

/// The most messages of one request; the broker gives no more than 32 (`PopMessageProcessor.java`).
const BATCH_MAX: usize = 32;

/// How long a broker waits for messages before it answers that there are none.
const POLL_FOR: Duration = Duration::from_millis(1500);

/// What is kept of the caller's time for the answer: with less than that left nothing is asked for,
/// so that messages are not handed out to a caller who is gone. They would stay invisible, and come
/// again as retries.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// How late an answer may be, if the caller has the time. The client gives a connection up with the
/// first answer that is late.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait where a broker has too many waiting requests already.
const POLLING_FULL_PAUSE: Duration = Duration::from_millis(200);

/// How long an acknowledgement or a change of visibility may take.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The broker brings a message back after 10 ms at the earliest; less is refused.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(10);

/// The messages of our topics for the group `event-consumer`. It may be used by many tasks at once.
pub struct RocketmqSubscription {
    clock: Arc<dyn Clock>,
    polls: Sessions,
    /// Apart from the polls: when an answer is late, the client gives the connection up, and all
    /// that is under way on it fails (`request.rs` of rocketmq-transport 1.0.0).
    settlements: Sessions,
    group: String,
    /// Counts receivers, so that each begins with another broker and topic. It outlives the
    /// sessions: a broker that is away must not be the first of each new one.
    turn: AtomicUsize,
}

/// A message that was received.
#[derive(Debug)]
pub struct RocketmqDelivery {
    message: MessageExt,
    /// Its body, where the message's own is compressed.
    inflated: Result<Option<Vec<u8>>, UnreadableBody>,
    message_id: String,
    receipt: PopReceipt,
}

/// What the broker wants back with an acknowledgement. It is good for one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PopReceipt {
    broker: String,
    /// Which of our topics was asked for it.
    asked: Topic,
    /// Where the delivery came from: that topic, or a retry topic of the group.
    topic: String,
    queue_id: i32,
    queue_offset: i64,
    extra_info: String,
}

impl RocketmqSubscription {
    /// Starts a client for itself. Nothing is sent before the first [`EventSubscription::receive`].
    ///
    /// # Errors
    ///
    /// [`StartError`], if the client's threads can't be had.
    pub fn start(config: RocketmqConfig, clock: impl Clock + 'static) -> Result<Self, StartError> {
        Ok(Self::new(RocketmqClient::start(config)?, clock))
    }

    /// Subscribes by a client that others use too.
    pub fn new(client: RocketmqClient, clock: impl Clock + 'static) -> Self {
        let group = client.config().event_consumer_group();
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let polls = Sessions::new(client.clone(), Arc::clone(&clock), Role::Receiver);
        let settlements = Sessions::new(client, Arc::clone(&clock), Role::Receiver);
        Self { clock, polls, settlements, group, turn: AtomicUsize::new(0) }
    }

    /// Disconnects. With the last adapter of a client, the client ends too. What was received and
    /// not acknowledged comes again when it becomes visible.
    pub async fn shutdown(self) {
        self.settlements.shutdown().await;
        self.polls.shutdown().await;
    }

    async fn receive_on(
        &self,
        session: &Session,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<RocketmqDelivery>, Failure> {
        let most = u32::try_from(most.clamp(1, BATCH_MAX)).unwrap_or(1);
        let mut sources = Vec::new();
        for topic in Topic::ALL {
            match session.masters(topic, deadline).await {
                Ok(masters) => sources.extend(masters.into_iter().map(|master| (topic, master))),
                // Orders don't wait for a topic that nobody has made yet.
                Err(failure) if topic == Topic::Users => {
                    tracing::warn!(cause = %failure.cause, "rocketmq.user_topic_without_route");
                }
                Err(failure) => return Err(failure),
            }
        }
        let ask_until = deadline.less(ANSWER_MARGIN);
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % sources.len().max(1);
        sources.rotate_left(first);
        if sources.len() > 1 {
            // What is there already, on whichever topic and broker, must not wait behind one that
            // is idle or away.
            let mut failed = None;
            for (topic, master) in &sources {
                if ask_until.has_passed() {
                    return failed.map_or_else(|| Ok(Vec::new()), Err);
                }
                let request = self.pop_request(*topic, most, Duration::ZERO);
                match self.pop(session, *topic, request, master, deadline).await {
                    Ok(found) if found.is_empty() => {}
                    Ok(found) => return Ok(found),
                    Err(failure) => failed = Some(failure),
                }
            }
            if let Some(failure) = failed {
                return Err(failure);
            }
        }
        // What comes from now on is waited for where orders are; a user's event is no hurry.
        let Some((topic, master)) = sources.iter().find(|(topic, _)| *topic == Topic::Orders)
        else {
            return Ok(Vec::new());
        };
        let wait = POLL_FOR.min(ask_until.remaining());
        self.pop(session, *topic, self.pop_request(*topic, most, wait), master, deadline).await
    }

    async fn pop(
        &self,
        session: &Session,
        topic: Topic,
        request: PopMessageRequestHeader,
        master: &Master,
        deadline: Deadline,
    ) -> Result<Vec<RocketmqDelivery>, Failure> {
        let wait = Duration::from_millis(request.poll_time);
        let limit = Deadline::after(wait + ANSWER_TIMEOUT).or_earlier(deadline);
        let call = async {
            let lane = session.lane().await?;
            let popping =
                lane.pop_message(&master.name, &master.address, request, millis_left(limit));
            Box::pin(popping).await.map_err(client_failure)
        };
        let popped = within(deadline, "receiving", call).await??;
        if popped.pop_status == PopStatus::PollingFull {
            tokio::time::sleep(POLLING_FULL_PAUSE.min(deadline.remaining())).await;
        }
        let messages = popped.msg_found_list.unwrap_or_default();
        Ok(messages.into_iter().filter_map(|message| self.delivery(topic, message)).collect())
    }

    fn pop_request(&self, topic: Topic, most: u32, wait: Duration) -> PopMessageRequestHeader {
        PopMessageRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: self.polls.client().config().topic_name(topic).into(),
            // Any queue of the broker.
            queue_id: -1,
            max_msg_nums: most,
            invisible_time: millis(INVISIBLE_FOR),
            poll_time: millis(wait),
            // The broker takes its own time then (`PopMessageProcessor.java`). By ours it would refuse
            // requests that look half a second old, and the client takes that for an empty topic.
            born_time: 0,
            // A new group begins with the oldest message (ConsumeInitMode.java).
            init_mode: 0,
            exp_type: Some("TAG".into()),
            exp: Some("*".into()),
            order: Some(false),
            attempt_id: None,
            topic_request_header: None,
        }
    }

    /// A message without a receipt can't be acknowledged; it comes again when it becomes visible.
    fn delivery(&self, asked: Topic, message: MessageExt) -> Option<RocketmqDelivery> {
        let Some(receipt) = pop_receipt(&message, asked, &self.group) else {
            tracing::error!(message_id = %message.msg_id(), "rocketmq.delivery_without_receipt");
            return None;
        };
        let message_id = property(&message, MessageConst::PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX)
            .map_or_else(|| message.msg_id().to_string(), str::to_owned);
        let inflated = inflated(message.sys_flag(), message.message_inner().body_slice());
        Some(RocketmqDelivery { message, inflated, message_id, receipt })
    }

    async fn settle(
        &self,
        receipt: &PopReceipt,
        request: RemotingCommand,
        what: &'static str,
    ) -> Settled {
        let deadline = Deadline::after(SETTLE_TIMEOUT);
        let session = match self.settlements.acquire(deadline).await {
            Ok(session) => session,
            Err(failure) => return Settled::Refused(failure.cause),
        };
        let call = async {
            let address = session.master_address(receipt.asked, &receipt.broker, deadline).await?;
            session.invoke(&address, request, deadline, what).await
        };
        match call.await {
            Ok(answer) => {
                session.prove(self.clock.now());
                match BrokerAnswer::unless_success(&answer) {
                    None => Settled::Done,
                    Some(answer) => Settled::Refused(answer.into()),
                }
            }
            Err(failure) => {
                session.suspect();
                Settled::Unknown(failure)
            }
        }
    }
}

impl EventSubscription for RocketmqSubscription {
    type Delivery = RocketmqDelivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<RocketmqDelivery>, Failure> {
        if deadline.less(ANSWER_MARGIN).has_passed() {
            tokio::time::sleep(deadline.remaining()).await;
            return Ok(Vec::new());
        }
        let session = self.polls.acquire(deadline).await?;
        let received = self.receive_on(&session, most, deadline).await;
        match &received {
            Ok(_) => session.prove(self.clock.now()),
            Err(_) => session.suspect(),
        }
        received
    }

    fn invisible_for(&self) -> Duration {
        INVISIBLE_FOR
    }

    async fn acknowledge(&self, delivery: &RocketmqDelivery) -> Settled {
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
        // The client's own call makes "does not exist" of every answer but success.
        let request = RemotingCommand::create_request_command(RequestCode::AckMessage, header);
        self.settle(receipt, request, "acknowledging").await
    }

    async fn retry_after(&self, delivery: &RocketmqDelivery, delay: Duration) -> Settled {
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
    fn message_id(&self) -> &str {
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
        u32::try_from(self.message.reconsume_times()).unwrap_or_default()
    }
}

pub(crate) fn property<'a>(message: &'a MessageExt, name: &str) -> Option<&'a str> {
    message.message_inner().property(name)
}

/// The receipt is the property `POP_CK`. With the message's own topic in place of the one that is
/// told there, the broker acknowledges nothing and answers that all is well.
fn pop_receipt(message: &MessageExt, asked: Topic, group: &str) -> Option<PopReceipt> {
    let extra_info = property(message, MessageConst::PROPERTY_POP_CK)?;
    let parts = ExtraInfoUtil::split(extra_info);
    Some(PopReceipt {
        broker: ExtraInfoUtil::get_broker_name(&parts).ok()?,
        asked,
        topic: ExtraInfoUtil::get_real_topic(&parts, message.topic(), group).ok()?,
        queue_id: ExtraInfoUtil::get_queue_id(&parts).ok()?,
        queue_offset: ExtraInfoUtil::get_queue_offset(&parts).ok()?,
        extra_info: extra_info.to_owned(),
    })
}
