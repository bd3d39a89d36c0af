//! The consumers' lag, the positions of our group, and how many half messages were discarded.

use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::Failure;
use application::ports::{ClusterGauges, GroupPosition, Topic};
use domain::timestamp::Timestamp;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::admin::consume_stats::ConsumeStats;
use rocketmq_protocol::protocol::header::get_consume_stats_request_header::GetConsumeStatsRequestHeader;
use rocketmq_protocol::protocol::header::get_max_offset_request_header::GetMaxOffsetRequestHeader;
use rocketmq_protocol::protocol::header::get_max_offset_response_header::GetMaxOffsetResponseHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::config::RocketmqConfig;
use crate::fault::{BrokerAnswer, broker_failure, unavailable};
use crate::publisher::RocketmqPublisher;
use crate::session::Session;

/// The topic in which a broker stores the half messages that it has given up, in one queue
/// (`AbstractTransactionalMessageCheckListener.java`).
const DISCARDED: &str = "TRANS_CHECK_MAX_TIME_TOPIC";

impl ClusterGauges for RocketmqPublisher {
    async fn half_messages_discarded(&self, deadline: Deadline) -> Result<u64, Failure> {
        let session = self.session(deadline).await?;
        let total = discarded(&session, deadline).await;
        self.record_result(&session, total)
    }

    async fn consumer_lag(&self, deadline: Deadline) -> Result<u64, Failure> {
        let session = self.session(deadline).await?;
        let lag = total_lag(&session, self.config(), deadline).await;
        self.record_result(&session, lag)
    }
}

/// The number of discarded half messages. A queue's highest offset is the number of messages that
/// were ever stored in it. A broker that never discarded one has no such topic, and also answers
/// with 0.
async fn discarded(session: &Session, deadline: Deadline) -> Result<u64, Failure> {
    let mut total = 0;
    for master in session.read_route(Topic::Orders, deadline).await? {
        let header = GetMaxOffsetRequestHeader {
            topic: DISCARDED.into(),
            queue_id: 0,
            committed: true,
            topic_request_header: None,
        };
        let request = RemotingCommand::create_request_command(RequestCode::GetMaxOffset, header);
        let answer =
            session.invoke(&master.address, request, deadline, "asking for an offset").await?;
        let answer = success(answer)?;
        let header: GetMaxOffsetResponseHeader =
            answer.decode_command_custom_header().map_err(unavailable)?;
        total += u64::try_from(header.offset).unwrap_or_default();
    }
    Ok(total)
}

/// The lag of event-consumer's group on all topics that it reads, in messages.
async fn total_lag(
    session: &Session,
    config: &RocketmqConfig,
    deadline: Deadline,
) -> Result<u64, Failure> {
    let group = config.event_consumer_group();
    let mut total = 0;
    for topic in Topic::ALL {
        total += lag(session, topic, config.topic_name(topic), &group, deadline).await?;
    }
    Ok(total)
}

async fn lag(
    session: &Session,
    topic: Topic,
    name: &str,
    group: &str,
    deadline: Deadline,
) -> Result<u64, Failure> {
    let all = consume_stats(session, topic, name, group, deadline).await?;
    let lags =
        all.iter().map(|stats| u64::try_from(stats.compute_total_diff()).unwrap_or_default());
    Ok(lags.sum())
}

/// A group's position on a topic, from each of the topic's masters.
async fn consume_stats(
    session: &Session,
    topic: Topic,
    name: &str,
    group: &str,
    deadline: Deadline,
) -> Result<Vec<ConsumeStats>, Failure> {
    let mut all = Vec::new();
    for master in session.read_route(topic, deadline).await? {
        let header = GetConsumeStatsRequestHeader {
            consumer_group: group.into(),
            topic: name.into(),
            topic_list: None,
            topic_request_header: None,
        };
        let request = RemotingCommand::create_request_command(RequestCode::GetConsumeStats, header);
        let answer = session.invoke(&master.address, request, deadline, "asking for a lag").await?;
        let body = success(answer)?.take_body().unwrap_or_default();
        all.push(ConsumeStats::decode(&body).map_err(unavailable)?);
    }
    Ok(all)
}

impl GroupPosition for RocketmqPublisher {
    async fn has_passed(
        &self,
        topic: Topic,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let session = self.session(deadline).await?;
        let (name, group) = (self.config().topic_name(topic), self.config().event_consumer_group());
        let all = consume_stats(&session, topic, name, &group, deadline).await;
        let passed = all.map(|all| all.iter().all(|stats| is_past(stats, at)));
        self.record_result(&session, passed)
    }
}

/// Whether a group has received, from each queue, every message or one that was stored after `at`
/// (`lastTimestamp` is the time at which the broker stored the message before the group's offset,
/// `AdminBrokerProcessor.java`). The broker's clock may be ahead of the clock that read `at`.
fn is_past(stats: &ConsumeStats, at: Timestamp) -> bool {
    let at = at.plus(lifetimes::CLOCK_MARGIN).as_millis();
    stats.offset_table.values().all(|queue| {
        queue.get_consumer_offset() >= queue.get_broker_offset() || queue.get_last_timestamp() > at
    })
}

fn success(answer: RemotingCommand) -> Result<RemotingCommand, Failure> {
    match BrokerAnswer::unless_success(&answer) {
        None => Ok(answer),
        Some(answer) => Err(broker_failure(answer)),
    }
}
