//! Looks for messages on the topics.

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass};
use application::ports::{PublishedEvents, Topic};
use contracts::message::{EVENT_ID, TRANSACTION_ID};
use domain::identity::{EventId, TransactionId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::common::message::message_decoder::decodes_batch;
use rocketmq_protocol::protocol::header::query_message_request_header::QueryMessageRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::fault::{BrokerAnswer, Missing, broker_failure, unavailable};
use crate::message_index::{self, NoMessageIndex};
use crate::publisher::RocketmqPublisher;
use crate::route::Holder;
use crate::session::Session;
use crate::subscription::property;

/// The most messages in one answer of a broker (`maxMsgsNumBatch` of `MessageStoreConfig.java`).
const MESSAGES_MAX: i32 = 64;

/// A key that no message has. Looking for it only shows whether a broker answers.
const NO_KEY: &str = "-";

impl PublishedEvents for RocketmqPublisher {
    async fn answers(&self, topic: Topic, deadline: Deadline) -> bool {
        let answered = async {
            let session = self.session(deadline).await?;
            let name = self.config().topic_name(topic);
            let answered = any_answers(&session, topic, name, deadline).await;
            self.record_result(&session, answered)
        };
        match answered.await {
            Ok(()) => true,
            Err(failure) => {
                let error = &failure as &dyn std::error::Error;
                tracing::warn!(error, topic = self.config().topic_name(topic), "no broker answers");
                false
            }
        }
    }

    async fn is_published(
        &self,
        topic: Topic,
        event_id: EventId,
        transaction_id: TransactionId,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let session = self.session(deadline).await?;
        let name = self.config().topic_name(topic);
        let wanted =
            Wanted { event_id: event_id.to_string(), transaction_id: transaction_id.to_string() };
        let found = find_anywhere(&session, topic, name, &wanted, deadline).await;
        self.record_result(&session, found)
    }
}

/// The message to look for.
struct Wanted {
    event_id: String,
    transaction_id: String,
}

impl Wanted {
    fn matches(&self, message: &MessageExt) -> bool {
        property(message, EVENT_ID) == Some(self.event_id.as_str())
            && property(message, TRANSACTION_ID) == Some(self.transaction_id.as_str())
    }
}

/// Asks every broker of the topic on its current route at once, until one has the message: its
/// master, or its replicas while it has no master. What a replica holds is on the topic, and the
/// topic's subscribers get it when there is a master again. What a replica does not hold is taken to
/// be lost, as it is with a broker that has left the route.
async fn find_anywhere(
    session: &Session,
    topic: Topic,
    name: &str,
    wanted: &Wanted,
    deadline: Deadline,
) -> Result<bool, Failure> {
    let holders = session.read_holders(topic, deadline).await?;
    let asked = holders.iter().map(|holder| find_on(session, holder, name, wanted, deadline));
    let mut answers: FuturesUnordered<_> = asked.collect();
    let mut unanswered = None;
    while let Some(answer) = answers.next().await {
        match answer {
            // The answers of the others do not matter.
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(failure) => unanswered = unanswered.or(Some(failure)),
        }
    }
    unanswered.map_or(Ok(false), Err)
}

async fn find_on(
    session: &Session,
    holder: &Holder,
    name: &str,
    wanted: &Wanted,
    deadline: Deadline,
) -> Result<bool, Failure> {
    let request = RemotingCommand::create_request_command(
        RequestCode::QueryMessage,
        by_key(name, &wanted.event_id),
    );
    let what = "looking for a message";
    let is_found = holds(session.invoke(&holder.address, request, deadline, what).await?, wanted)?;
    if !is_found {
        must_keep_index(session, holder, deadline).await?;
    }
    Ok(is_found)
}

/// Asks every master of the topic at once, until one answers, whatever its answer.
async fn any_answers(
    session: &Session,
    topic: Topic,
    name: &str,
    deadline: Deadline,
) -> Result<(), Failure> {
    let masters = session.read_route(topic, deadline).await?;
    let requests = masters.iter().map(|master| {
        session.invoke(&master.address, probe(name), deadline, "asking whether a broker answers")
    });
    let mut answers: FuturesUnordered<_> = requests.collect();
    let mut failure = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(_) => return Ok(()),
            Err(cause) => failure = Some(cause),
        }
    }
    let missing = || unavailable(Missing(format!("topic {name} has no master")));
    Err(failure.unwrap_or_else(missing))
}

/// Fails if a broker keeps no index of its messages: then it may have a message that it does not
/// find.
async fn must_keep_index(
    session: &Session,
    holder: &Holder,
    deadline: Deadline,
) -> Result<(), Failure> {
    if session.is_indexed(&holder.address) {
        return Ok(());
    }
    let what = "asking for a broker's settings";
    let answer = session.invoke(&holder.address, message_index::request(), deadline, what).await?;
    if !message_index::is_kept(answer) {
        let missing = NoMessageIndex(holder.name.clone());
        return Err(Failure::new(FailureClass::Permanent, missing));
    }
    session.mark_indexed(&holder.address);
    Ok(())
}

/// A request that changes nothing. Its answer only shows that the broker is running.
pub(crate) fn probe(topic: &str) -> RemotingCommand {
    RemotingCommand::create_request_command(RequestCode::QueryMessage, by_key(topic, NO_KEY))
}

fn by_key(topic: &str, key: &str) -> QueryMessageRequestHeader {
    QueryMessageRequestHeader {
        topic: topic.into(),
        key: key.into(),
        max_num: MESSAGES_MAX,
        begin_timestamp: 0,
        end_timestamp: i64::MAX,
        index_type: None,
        last_key: None,
        topic_request_header: None,
    }
}

/// Whether the answer holds the message. The broker's index compares hashes of keys, so the
/// messages of other events may be among them (`IndexFile.java`).
fn holds(mut answer: RemotingCommand, wanted: &Wanted) -> Result<bool, Failure> {
    if answer.code() == ResponseCode::QueryNotFound as i32 {
        return Ok(false);
    }
    if let Some(answer) = BrokerAnswer::unless_success(&answer) {
        return Err(broker_failure(answer));
    }
    let mut body = answer.take_body().unwrap_or_default();
    let messages = decodes_batch(&mut body, false, false);
    if messages.iter().any(|message| wanted.matches(message)) {
        return Ok(true);
    }
    let full = i32::try_from(messages.len()).is_ok_and(|count| count >= MESSAGES_MAX);
    if full || !body.is_empty() {
        let missing = "the broker's answer does not contain all messages with that key";
        return Err(unavailable(Missing(missing.to_owned())));
    }
    Ok(false)
}
