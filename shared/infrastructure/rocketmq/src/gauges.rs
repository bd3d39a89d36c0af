//! How the cluster fares with our messages.

use application::deadline::Deadline;
use application::outcome::Failure;
use application::ports::{ClusterGauges, Topic};
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

/// Where a broker puts the half messages that it has given up, in one queue
/// (`AbstractTransactionalMessageCheckListener.java`).
const DISCARDED: &str = "TRANS_CHECK_MAX_TIME_TOPIC";

impl ClusterGauges for RocketmqPublisher {
    async fn half_messages_discarded(&self, deadline: Deadline) -> Result<u64, Failure> {
        let session = self.session(deadline).await?;
        let total = discarded(&session, deadline).await;
        self.judge(&session, total)
    }

    async fn consumer_lag(&self, deadline: Deadline) -> Result<u64, Failure> {
        let session = self.session(deadline).await?;
        let lag = total_lag(&session, self.config(), deadline).await;
        self.judge(&session, lag)
    }
}

/// A queue's highest offset is the number of messages that were ever put there. A broker that never
/// discarded anything doesn't have the topic, and answers with 0 as well.
async fn discarded(session: &Session, deadline: Deadline) -> Result<u64, Failure> {
    let mut total = 0;
    for master in session.learn_route(Topic::Orders, deadline).await? {
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

/// The lag of event-consumer's group on all topics that it reads.
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
    let mut total = 0;
    for master in session.learn_route(topic, deadline).await? {
        let header = GetConsumeStatsRequestHeader {
            consumer_group: group.into(),
            topic: name.into(),
            topic_list: None,
            topic_request_header: None,
        };
        let request = RemotingCommand::create_request_command(RequestCode::GetConsumeStats, header);
        let answer = session.invoke(&master.address, request, deadline, "asking for a lag").await?;
        let body = success(answer)?.take_body().unwrap_or_default();
        let stats = ConsumeStats::decode(&body).map_err(unavailable)?;
        total += u64::try_from(stats.compute_total_diff()).unwrap_or_default();
    }
    Ok(total)
}

fn success(answer: RemotingCommand) -> Result<RemotingCommand, Failure> {
    match BrokerAnswer::unless_success(&answer) {
        None => Ok(answer),
        Some(answer) => Err(broker_failure(answer)),
    }
}
