//! Looks for messages on the topics.

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass};
use application::ports::{IdentitySource, PublishedEvents, Topic};
use contracts::message::{EVENT_ID, TRANSACTION_ID};
use domain::identity::{EventId, TransactionId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use platform::identity::UuidIdentitySource;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::common::message::message_decoder::decode;
use rocketmq_protocol::protocol::header::query_message_request_header::QueryMessageRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::fault::{BrokerAnswer, Missing, broker_failure, unavailable};
use crate::frames::next_frame;
use crate::message_index::{self, NoMessageIndex};
use crate::publisher::RocketmqPublisher;
use crate::route::Holder;
use crate::session::Session;
use crate::subscription::property;

/// The most messages in one answer. A broker answers with whole messages, of up to 4 MiB each
/// (`maxMessageSize` of `MessageStoreConfig.java`), and the client closes a connection on which
/// more than 16 MiB are announced (`FrameLimits` of rocketmq-transport 1.0.0), with all that waits
/// on it.
const MESSAGES_MAX: i32 = 3;

/// The most answers that are read for one event. Usually one is enough; copies of an event, and
/// others' messages with its key, need more.
const ANSWERS_MAX: usize = 8;

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
        self.record_answer(&session, found)
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
/// topic's subscribers get it when there is a master again. What a replica does not hold is taken
/// to be lost, as it is with a broker that has left the route.
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
    let mut unanswered: Option<Failure> = None;
    while let Some(answer) = answers.next().await {
        match answer {
            // The answers of the others do not matter.
            Ok(true) => return Ok(true),
            Ok(false) => {}
            // Of several failures, one that says that a broker does not answer.
            Err(failure) => {
                let known = unanswered.take().filter(|f| f.class != FailureClass::Permanent);
                unanswered = known.or(Some(failure));
            }
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
    // An answer has the newest messages (`IndexService.java`), so the next question is about those
    // that were stored before them, to the second. If more than three have the same second, or the
    // broker's clock was set back between them, the message may be missed: then its event is sent
    // again, as if the index had lost it.
    let mut until = i64::MAX;
    for number in 0..ANSWERS_MAX {
        let request = by_key(name, &wanted.event_id, until, MESSAGES_MAX);
        let what = "looking for a message";
        let answer = match session.invoke(&holder.address, request, deadline, what).await {
            Ok(answer) => answer,
            // The broker answers, but the answers are too long for the time that is left.
            Err(_) if number > 0 => break,
            Err(failure) => return Err(failure),
        };
        match found(answer, wanted)? {
            Found::Wanted => return Ok(true),
            Found::Others { oldest } if oldest < until => until = oldest,
            Found::Others { .. } => break,
            Found::Nothing => {
                must_keep_index(session, holder, deadline).await?;
                return Ok(false);
            }
        }
    }
    Err(Failure::new(FailureClass::Permanent, Crowded(holder.name.to_string())))
}

/// Too many messages have an event's key, or too long ones. Only this look-up fails; the broker
/// works.
#[derive(Debug, thiserror::Error)]
#[error("more messages have the event's key than are read, on broker {0}")]
struct Crowded(String);

/// What an answer of a broker has.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Wanted,
    /// As many other messages as were asked for, so that there may be more. `oldest` is the time,
    /// in milliseconds, at which the oldest of them was stored.
    Others {
        oldest: i64,
    },
    Nothing,
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

/// A request that changes nothing, for a message with a key that no message has. Its answer only
/// shows that the broker is running. The key is new each time: messages with a key that is always
/// the same could make the answers as long as their sender likes.
pub(crate) fn probe(topic: &str) -> RemotingCommand {
    by_key(topic, &UuidIdentitySource.event_id().to_string(), i64::MAX, 1)
}

/// A request for the newest `count_max` messages with `key` that were stored until `until`, in
/// milliseconds.
fn by_key(topic: &str, key: &str, until: i64, count_max: i32) -> RemotingCommand {
    let header = QueryMessageRequestHeader {
        topic: topic.into(),
        key: key.into(),
        max_num: count_max,
        begin_timestamp: 0,
        end_timestamp: until,
        index_type: None,
        last_key: None,
        topic_request_header: None,
    };
    RemotingCommand::create_request_command(RequestCode::QueryMessage, header)
}

/// What an answer holds. The broker's index compares hashes of keys, so the messages of other
/// events may be among them (`IndexFile.java`).
fn found(mut answer: RemotingCommand, wanted: &Wanted) -> Result<Found, Failure> {
    if answer.code() == ResponseCode::QueryNotFound as i32 {
        return Ok(Found::Nothing);
    }
    if let Some(answer) = BrokerAnswer::unless_success(&answer) {
        return Err(broker_failure(answer));
    }
    let mut body = answer.take_body().unwrap_or_default();
    let (mut count, mut oldest) = (0, None);
    while let Some(mut frame) = next_frame(&mut body) {
        count += 1;
        // A message that can't be read is not ours.
        let Some(message) = decode(&mut frame, false, false, false, false, false) else { continue };
        if wanted.matches(&message) {
            return Ok(Found::Wanted);
        }
        let stored = message.store_timestamp();
        oldest = Some(oldest.map_or(stored, |oldest: i64| oldest.min(stored)));
    }
    if !body.is_empty() {
        return Err(unavailable(Missing("the broker's answer is torn".to_owned())));
    }
    let oldest = oldest.unwrap_or(i64::MAX);
    Ok(if count < MESSAGES_MAX { Found::Nothing } else { Found::Others { oldest } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::samples::frame;

    fn wanted() -> Wanted {
        Wanted { event_id: "event-1".to_owned(), transaction_id: "attempt-1".to_owned() }
    }

    fn message(transaction_id: &str, stored_at: i64) -> Vec<u8> {
        let properties = [(EVENT_ID, "event-1"), (TRANSACTION_ID, transaction_id)];
        let properties = properties.map(|(name, value)| format!("{name}\u{1}{value}\u{2}"));
        frame("ORDER_EVENTS", 0, stored_at, &properties.concat())
    }

    /// Its magic code is wrong.
    fn unreadable() -> Vec<u8> {
        let mut frame = message("attempt-1", 1);
        frame[4..8].fill(0);
        frame
    }

    fn answered(frames: &[Vec<u8>]) -> Result<Found, Failure> {
        let mut answer = RemotingCommand::create_remoting_command(ResponseCode::Success as i32);
        answer.set_body_mut_ref(frames.concat());
        found(answer, &wanted())
    }

    #[test]
    fn the_message_is_found_among_others_and_behind_what_cannot_be_read() {
        let frames = [message("attempt-2", 3), unreadable(), message("attempt-1", 2)];
        assert_eq!(answered(&frames).unwrap(), Found::Wanted);
        assert_eq!(answered(&frames[..2]).unwrap(), Found::Nothing);
    }

    #[test]
    fn an_answer_that_is_full_says_from_where_to_go_on() {
        let frames = [message("attempt-2", 30), message("attempt-3", 20), unreadable()];
        assert_eq!(answered(&frames).unwrap(), Found::Others { oldest: 20 });
        let unreadable = [unreadable(), unreadable(), unreadable()];
        assert_eq!(answered(&unreadable).unwrap(), Found::Others { oldest: i64::MAX });
    }

    #[test]
    fn a_torn_answer_says_nothing() {
        let torn = message("attempt-1", 1)[..40].to_vec();
        assert!(answered(&[message("attempt-2", 3), torn]).is_err());
    }
}
