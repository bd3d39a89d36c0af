//! Creates topics and groups, and reads topics from the beginning, for the developer's commands and
//! the tests.

mod reading;

use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Cause, Failure, FailureClass};
use application::ports::Topic;
use cheetah_string::CheetahString;
use rocketmq_client_rust::{ClientInstanceHandle, ClientResult};
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::create_topic_request_header::CreateTopicRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_protocol::protocol::route::topic_route_data::TopicRouteData;
use rocketmq_protocol::protocol::subscription::subscription_group_config::SubscriptionGroupConfig;

use crate::call::{millis_left, within};
use crate::client::{RocketmqClient, StartError};
use crate::config::{GroupName, RocketmqConfig};
use crate::fault::{BrokerAnswer, Missing, broker_failure, client_failure, unavailable};
use crate::lanes::Lanes;
use crate::message_index::{self, NoMessageIndex};
use crate::route::{Holder, Master, holders, master_addresses, masters};

pub use self::reading::{Positions, StoredMessage};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait before a failed request is repeated.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How many queues a topic has on each broker, for reading and for writing.
const QUEUES: i32 = 4;

/// The permission to read and to write (`PermName.java`).
const READ_AND_WRITE: i32 = 6;

/// Topics or groups could not be created or read. What was created before the failure stays.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The client's threads could not be started; nothing was sent.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A request failed, or there was no time left.
    #[error("the request to the RocketMQ cluster failed")]
    Request(#[source] Cause),
}

impl From<Failure> for AdminError {
    fn from(failure: Failure) -> Self {
        Self::Request(failure.cause)
    }
}

/// Creates topics and groups, and reads topics.
pub struct RocketmqAdmin {
    client: RocketmqClient,
    lanes: Lanes,
}

impl RocketmqAdmin {
    /// Starts a separate client.
    ///
    /// # Errors
    ///
    /// [`AdminError`], if the client can't be started.
    pub async fn start(config: RocketmqConfig) -> Result<Self, AdminError> {
        let client = RocketmqClient::start(config)?;
        let (instance, _) = client.answered_instance_config("admin").await;
        let lanes = Lanes::new(Arc::clone(client.runtime()), instance, client.hook());
        let admin = Self { client, lanes };
        if let Err(failure) = admin.start_instance().await {
            admin.shutdown().await;
            return Err(failure.into());
        }
        Ok(admin)
    }

    async fn start_instance(&self) -> Result<(), Failure> {
        Box::pin(self.lanes.take().await?.start()).await.map_err(client_failure)
    }

    /// Closes the connections and ends the client's threads, as [`RocketmqClient::shutdown`] does.
    pub async fn shutdown(self) {
        self.lanes.close().await;
        drop(self.lanes);
        self.client.shutdown().await;
    }

    /// Creates the order and the user topic (`message.type` TRANSACTION), the dead-letter topic
    /// (NORMAL) and the group `event-consumer` on every master of every cluster, and waits until
    /// all topics have routes. Existing topics and groups are kept and get these settings. Returns
    /// a line for each topic and group.
    ///
    /// # Errors
    ///
    /// [`AdminError`], if a broker refuses, or `limit` passes, also while no broker is registered.
    pub async fn create_topics(&self, limit: Duration) -> Result<Vec<String>, AdminError> {
        let deadline = Deadline::after(limit);
        let config = self.client.config();
        let event_topics = Topic::ALL.map(|topic| config.topic_name(topic));
        let dead_letter_topic = config.dead_letter_topic();
        let group = config.event_consumer_group();
        let mut created = Vec::new();
        for (broker, address) in
            until(deadline, async |deadline| self.masters(deadline).await).await?
        {
            self.must_keep_index(&broker, &address, deadline).await?;
            for topic in event_topics {
                self.create_topic(&address, topic, "TRANSACTION", deadline).await?;
                created.push(format!("topic {topic} (TRANSACTION) on {broker}"));
            }
            self.create_topic(&address, &dead_letter_topic, "NORMAL", deadline).await?;
            created.push(format!("topic {dead_letter_topic} (NORMAL) on {broker}"));
            self.create_group_on(&address, &group, deadline).await?;
            created.push(format!("group {group} on {broker}"));
        }
        for topic in event_topics.into_iter().chain([dead_letter_topic.as_str()]) {
            self.wait_until_routable(topic, deadline.remaining()).await?;
        }
        Ok(created)
    }

    /// Creates a consumer group on every master of every cluster, for another team's subscriber:
    /// brokers that create no groups by themselves let no new one in. An existing group is kept and
    /// gets RocketMQ's default settings. Returns a line for each broker.
    ///
    /// # Errors
    ///
    /// [`AdminError`], if a broker refuses, or `limit` passes, also while no broker is registered.
    pub async fn create_group(
        &self,
        group: &GroupName,
        limit: Duration,
    ) -> Result<Vec<String>, AdminError> {
        let deadline = Deadline::after(limit);
        let group = group.as_str();
        let mut created = Vec::new();
        for (broker, address) in
            until(deadline, async |deadline| self.masters(deadline).await).await?
        {
            self.create_group_on(&address, group, deadline).await?;
            created.push(format!("group {group} on {broker}"));
        }
        Ok(created)
    }

    /// Waits until a topic has a route to a master.
    ///
    /// # Errors
    ///
    /// [`AdminError`] with the last cause, if `limit` passes first.
    async fn wait_until_routable(&self, topic: &str, limit: Duration) -> Result<(), AdminError> {
        until(Deadline::after(limit), async |deadline| self.route(topic, deadline).await).await?;
        Ok(())
    }

    async fn must_keep_index(
        &self,
        broker: &CheetahString,
        address: &CheetahString,
        deadline: Deadline,
    ) -> Result<(), AdminError> {
        let answer = self.answer(address, message_index::request(), deadline).await?;
        if message_index::is_kept(answer) {
            return Ok(());
        }
        Err(Failure::new(FailureClass::Permanent, NoMessageIndex(broker.clone())).into())
    }

    async fn create_topic(
        &self,
        address: &CheetahString,
        topic: &str,
        message_type: &str,
        deadline: Deadline,
    ) -> Result<(), AdminError> {
        let header = CreateTopicRequestHeader {
            topic: topic.into(),
            default_topic: "TBW102".into(),
            read_queue_nums: QUEUES,
            write_queue_nums: QUEUES,
            perm: READ_AND_WRITE,
            topic_filter_type: "SINGLE_TAG".into(),
            topic_sys_flag: Some(0),
            order: false,
            attributes: Some(format!("+message.type={message_type}").into()),
            force: Some(false),
            topic_request_header: None,
        };
        let code = RequestCode::UpdateAndCreateTopic;
        let request = RemotingCommand::create_request_command(code, header);
        self.must_succeed(address, request, deadline).await
    }

    async fn create_group_on(
        &self,
        address: &CheetahString,
        group: &str,
        deadline: Deadline,
    ) -> Result<(), AdminError> {
        let group = SubscriptionGroupConfig::new(group.into());
        let body = serde_json::to_vec(&group).map_err(|error| AdminError::Request(error.into()))?;
        let code = RequestCode::UpdateAndCreateSubscriptionGroup;
        let request = RemotingCommand::create_remoting_command(code).set_body(body);
        self.must_succeed(address, request, deadline).await
    }

    /// Sends a request that the broker must answer with success.
    async fn must_succeed(
        &self,
        address: &CheetahString,
        request: RemotingCommand,
        deadline: Deadline,
    ) -> Result<(), AdminError> {
        let answer = self.answer(address, request, deadline).await?;
        match BrokerAnswer::unless_success(&answer) {
            None => Ok(()),
            Some(answer) => Err(broker_failure(answer).into()),
        }
    }

    /// A broker's answer, whatever its code. The request is repeated while there is no answer: each
    /// of our requests may safely be made twice.
    async fn answer(
        &self,
        address: &CheetahString,
        request: RemotingCommand,
        deadline: Deadline,
    ) -> Result<RemotingCommand, Failure> {
        loop {
            let request = request.clone();
            let answered = self.request(deadline, async |lane, timeout_ms| {
                lane.invoke_remoting(address, request, timeout_ms).await
            });
            match answered.await {
                Err(_) if !deadline.has_passed() => {
                    tokio::time::sleep(RETRY_AFTER.min(deadline.remaining())).await;
                }
                answer => return answer,
            }
        }
    }

    /// The masters of all clusters.
    async fn masters(
        &self,
        deadline: Deadline,
    ) -> Result<Vec<(CheetahString, CheetahString)>, Failure> {
        let clusters = self
            .request(deadline, async |lane, timeout_ms| lane.broker_cluster_info(timeout_ms).await)
            .await?;
        let masters = master_addresses(&clusters);
        if masters.is_empty() {
            return Err(unavailable(Missing("no broker has registered".to_owned())));
        }
        Ok(masters)
    }

    /// From where a topic is read: of each broker the master, or one replica while it has no
    /// master.
    async fn readable(&self, topic: &str, deadline: Deadline) -> Result<Vec<Holder>, Failure> {
        let route = self.topic_route(topic, deadline).await?;
        let mut found = route.as_ref().map(holders).unwrap_or_default();
        found.dedup_by(|one, other| one.name == other.name);
        if found.is_empty() {
            let missing = format!("topic {topic} has no broker on its route");
            return Err(unavailable(Missing(missing)));
        }
        Ok(found)
    }

    async fn topic_route(
        &self,
        topic: &str,
        deadline: Deadline,
    ) -> Result<Option<TopicRouteData>, Failure> {
        self.request(deadline, async |lane, timeout_ms| lane.topic_route(topic, timeout_ms).await)
            .await
    }

    async fn route(&self, topic: &str, deadline: Deadline) -> Result<Vec<Master>, Failure> {
        let route = self.topic_route(topic, deadline).await?;
        let found = route.as_ref().map(masters).unwrap_or_default();
        if found.is_empty() {
            let missing = format!("topic {topic} has no master on its route");
            return Err(unavailable(Missing(missing)));
        }
        Ok(found)
    }

    async fn request<Value>(
        &self,
        deadline: Deadline,
        call: impl AsyncFnOnce(&ClientInstanceHandle, u64) -> ClientResult<Value>,
    ) -> Result<Value, Failure> {
        let limit = deadline.or_earlier(Deadline::after(REQUEST_TIMEOUT));
        let lane = self.lanes.take().await?;
        let calling = Box::pin(call(&lane, millis_left(limit)));
        within(limit, "a request", calling).await?.map_err(client_failure)
    }
}

/// Calls [`RocketmqAdmin::create_topics`] with a separate client.
///
/// # Errors
///
/// [`AdminError`], also if the client can't be started.
pub async fn create_topics(
    config: RocketmqConfig,
    limit: Duration,
) -> Result<Vec<String>, AdminError> {
    let admin = RocketmqAdmin::start(config).await?;
    let created = admin.create_topics(limit).await;
    admin.shutdown().await;
    created
}

/// Calls [`RocketmqAdmin::create_group`] with a separate client.
///
/// # Errors
///
/// [`AdminError`], also if the client can't be started.
pub async fn create_group(
    config: RocketmqConfig,
    group: &GroupName,
    limit: Duration,
) -> Result<Vec<String>, AdminError> {
    let admin = RocketmqAdmin::start(config).await?;
    let created = admin.create_group(group, limit).await;
    admin.shutdown().await;
    created
}

/// Calls [`RocketmqAdmin::read_topic`] from the beginning, with a separate client.
///
/// # Errors
///
/// [`AdminError`], also if the client can't be started.
pub async fn read_topic(
    config: RocketmqConfig,
    topic: &str,
) -> Result<Vec<StoredMessage>, AdminError> {
    let admin = RocketmqAdmin::start(config).await?;
    let messages = admin.read_topic(topic, &mut Positions::default()).await;
    admin.shutdown().await;
    messages
}

/// Repeats a request until it succeeds or the deadline has passed. After a broker has opened its
/// port, it takes some seconds until it is registered.
async fn until<Value>(
    deadline: Deadline,
    request: impl AsyncFn(Deadline) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let mut reason = None;
    loop {
        match request(deadline).await {
            Ok(found) => return Ok(found),
            // A request that ran out of time says less than the one before it.
            Err(cut_short) if deadline.has_passed() => return Err(reason.unwrap_or(cut_short)),
            Err(failure) => reason = Some(failure),
        }
        tokio::time::sleep(RETRY_AFTER.min(deadline.remaining())).await;
    }
}
