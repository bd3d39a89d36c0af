//! Stores half messages, and commits them or rolls them back.

use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass};
use application::ports::{
    Clock, EndError, HalfMessage, PrepareError, Resolution, Topic, TransactionalPublisher,
};
use cheetah_string::CheetahString;
use rocketmq_client_rust::{SendResult, SendStatus};
use rocketmq_model::common::message::message_single::Message;
use rocketmq_model::common::sys_flag::message_sys_flag::MessageSysFlag;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::end_transaction_request_header::EndTransactionRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::call::{millis_left, within};
use crate::client::RocketmqClient;
pub use crate::client::StartError;
use crate::config::RocketmqConfig;
use crate::fault::{BrokerAnswer, Missing, broker_failure, client_failure, unavailable};
use crate::outbound::half_message;
use crate::session::{Role, Session, Sessions};

/// How long the start waits for the first connection. The start continues without a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends half messages, and commits them or rolls them back. The broker answers both requests.
///
/// Many tasks may use it at once: they share one connection.
#[derive(Clone)]
pub struct RocketmqPublisher(Arc<Sessions>);

/// Where a broker has stored a half message. Its commit or rollback must name this place, on this
/// broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    topic: Topic,
    topic_name: String,
    broker: String,
    /// The offset in the queue of half messages, with which the broker checks the request.
    queue_offset: i64,
    /// The offset in the commit log, by which the broker finds the half message.
    commit_log_offset: i64,
    message_id: CheetahString,
    transaction_id: Option<CheetahString>,
}

impl RocketmqPublisher {
    /// Starts a separate client and connects, like [`RocketmqPublisher::connect`].
    ///
    /// # Errors
    ///
    /// [`StartError`], if the client's threads could not be started.
    pub async fn start(
        config: RocketmqConfig,
        clock: impl Clock + 'static,
    ) -> Result<Self, StartError> {
        Ok(Self::connect(RocketmqClient::start(config)?, clock).await)
    }

    /// Connects, for at most 2 s, so that the first message does not have to. An unreachable
    /// cluster is not an error: each message tries again.
    pub async fn connect(client: RocketmqClient, clock: impl Clock + 'static) -> Self {
        let sessions = Sessions::new(client, Arc::new(clock), Role::Sender);
        if let Err(failure) = sessions.acquire(Deadline::after(CONNECT_TIMEOUT)).await {
            tracing::warn!(cause = %failure.cause, "rocketmq.not_connected_at_start");
        }
        Self(Arc::new(sessions))
    }

    /// Disconnects. If this is the last adapter of the client, the client is shut down too. That
    /// takes milliseconds, or about 3 s when a broker hangs.
    pub async fn shutdown(self) {
        if let Some(sessions) = Arc::into_inner(self.0) {
            sessions.shutdown().await;
        }
    }

    pub(crate) fn config(&self) -> &RocketmqConfig {
        self.0.client().config()
    }

    /// The connection. A new one is opened when the last one may be dead.
    pub(crate) async fn session(&self, deadline: Deadline) -> Result<Arc<Session>, Failure> {
        self.0.acquire(deadline).await
    }

    /// Makes one try to send a message. `record` is [`Self::record_answer`] for a message that the
    /// broker, or the client, may refuse for what it holds, and otherwise [`Self::record_result`].
    pub(crate) async fn send(
        &self,
        message: Message,
        deadline: Deadline,
        record: Record,
    ) -> Result<SendResult, Failure> {
        let session = self.session(deadline).await?;
        let sent = send_on(&session, message, deadline).await;
        record(self, &session, sent)
    }

    /// Records whether the session works, after a call that may fail by its own fault: such a
    /// failure does not speak against the session, whose other calls would have to wait for a new
    /// one.
    pub(crate) fn record_answer<Value>(
        &self,
        session: &Session,
        result: Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        match result {
            Err(failure) if failure.class == FailureClass::Permanent => Err(failure),
            result => self.record_result(session, result),
        }
    }

    /// Records whether the session works. A broker that throttles has answered, so the session
    /// works.
    pub(crate) fn record_result<Value>(
        &self,
        session: &Session,
        result: Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        match &result {
            Ok(_) => session.prove(self.0.now()),
            Err(failure) if failure.class == FailureClass::Throttled => {}
            Err(_) => session.suspect(),
        }
        result
    }

    async fn request_end(
        &self,
        receipt: &Receipt,
        resolution: Resolution,
        deadline: Deadline,
    ) -> Result<RemotingCommand, Failure> {
        let session = self.session(deadline).await?;
        let call = async {
            let address = session.master_address(receipt.topic, &receipt.broker, deadline).await?;
            let header = end_header(receipt, resolution, self.config().transaction_check_group());
            let request =
                RemotingCommand::create_request_command(RequestCode::EndTransaction, header);
            session.invoke(&address, request, deadline, "ending a transaction").await
        };
        let answer = call.await;
        self.record_result(&session, answer)
    }
}

impl TransactionalPublisher for RocketmqPublisher {
    type Receipt = Receipt;

    async fn prepare(
        &self,
        half: &HalfMessage<'_>,
        deadline: Deadline,
    ) -> Result<Receipt, PrepareError> {
        let topic = half.message.topic;
        let name = self.config().topic_name(topic).to_owned();
        let message = half_message(half, &name, &self.config().transaction_check_group());
        let sent = self.send(message, deadline, Self::record_result).await;
        let sent = sent.map_err(PrepareError::Failed)?;
        if sent.send_status != SendStatus::SendOk {
            return Err(PrepareError::Doubtful(sent.send_status.to_string()));
        }
        receipt(topic, name, &sent).map_err(|missing| PrepareError::Doubtful(missing.to_string()))
    }

    async fn end(
        &self,
        receipt: &Receipt,
        resolution: Resolution,
        deadline: Deadline,
    ) -> Result<(), EndError> {
        let answer =
            self.request_end(receipt, resolution, deadline).await.map_err(EndError::Unknown)?;
        match BrokerAnswer::unless_success(&answer) {
            None => Ok(()),
            Some(answer) => Err(EndError::Refused(broker_failure(answer))),
        }
    }
}

/// Records what a try to send says about the session, and returns the result.
type Record =
    fn(&RocketmqPublisher, &Session, Result<SendResult, Failure>) -> Result<SendResult, Failure>;

async fn send_on(
    session: &Session,
    message: Message,
    deadline: Deadline,
) -> Result<SendResult, Failure> {
    let sending = session.producer()?.send_with_timeout(message, millis_left(deadline));
    let sent =
        within(deadline, "sending a message", Box::pin(sending)).await?.map_err(client_failure)?;
    sent.ok_or_else(|| unavailable(Missing("the client returned no result".to_owned())))
}

fn receipt(topic: Topic, topic_name: String, sent: &SendResult) -> Result<Receipt, Missing> {
    let missing = |what: &str| Missing(format!("the broker's answer has no {what}"));
    let queue = sent.message_queue.as_ref().ok_or_else(|| missing("queue"))?;
    let offset_id = sent.offset_msg_id.as_deref().ok_or_else(|| missing("offset id"))?;
    Ok(Receipt {
        topic,
        topic_name,
        broker: queue.broker_name().to_string(),
        queue_offset: i64::try_from(sent.queue_offset).map_err(|_| missing("queue offset"))?,
        commit_log_offset: commit_log_offset(offset_id).ok_or_else(|| missing("log offset"))?,
        message_id: sent.msg_id.clone().ok_or_else(|| missing("message id"))?,
        transaction_id: sent.transaction_id.as_deref().map(Into::into),
    })
}

/// An offset id is the broker's address followed by the offset in the commit log, in 16 hexadecimal
/// digits (`MessageDecoder.java`).
fn commit_log_offset(offset_id: &str) -> Option<i64> {
    let start = offset_id.len().checked_sub(16)?;
    i64::from_str_radix(offset_id.get(start..)?, 16).ok()
}

fn end_header(
    receipt: &Receipt,
    resolution: Resolution,
    checked_group: String,
) -> EndTransactionRequestHeader {
    EndTransactionRequestHeader {
        topic: receipt.topic_name.as_str().into(),
        // The broker compares it with the half message's PGROUP (EndTransactionProcessor.java).
        producer_group: checked_group.into(),
        tran_state_table_offset: receipt.queue_offset,
        commit_log_offset: receipt.commit_log_offset,
        commit_or_rollback: match resolution {
            Resolution::Commit => MessageSysFlag::TRANSACTION_COMMIT_TYPE,
            Resolution::Rollback => MessageSysFlag::TRANSACTION_ROLLBACK_TYPE,
        },
        from_transaction_check: false,
        msg_id: receipt.message_id.clone(),
        transaction_id: receipt.transaction_id.clone(),
        rpc_request_header: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use rocketmq_client_rust::SendResult;
    use rocketmq_model::common::message::message_queue::MessageQueue;

    use super::*;

    #[test]
    fn a_receipt_says_where_the_broker_stored_the_message() {
        let queue = MessageQueue::from_parts("ORDER_EVENTS", "broker-a", 3);
        let offset_id = "7F000001000051AF00000000000012AB".to_owned();
        let sent = SendResult::new(
            SendStatus::SendOk,
            Some("ID".into()),
            Some(offset_id),
            Some(queue),
            42,
        );
        let receipt = receipt(Topic::Orders, "ORDER_EVENTS".to_owned(), &sent).unwrap();
        assert_eq!(receipt.broker, "broker-a");
        assert_eq!((receipt.queue_offset, receipt.commit_log_offset), (42, 0x12AB));
        let header = end_header(&receipt, Resolution::Rollback, "g".to_owned());
        assert_eq!((header.commit_or_rollback, header.commit_log_offset), (0x3 << 2, 0x12AB));
        assert_eq!(end_header(&receipt, Resolution::Commit, "g".to_owned()).commit_or_rollback, 8);
    }

    #[test]
    fn an_offset_id_that_is_not_valid_has_no_offset() {
        assert_eq!(commit_log_offset("12AB"), None);
        assert_eq!(commit_log_offset("7F000001000051AF00000000000012ABx"), None);
    }
}
