//! The answers to check-backs.

use std::sync::Arc;
use std::time::Duration;

use application::ports::{CheckAnswer, CheckBack, CheckBackHandler};
use futures::{StreamExt, stream};
use rocketmq_model::common::sys_flag::message_sys_flag::MessageSysFlag;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::check_transaction_state_request_header::CheckTransactionStateRequestHeader;
use rocketmq_protocol::protocol::header::end_transaction_request_header::EndTransactionRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use tokio::sync::mpsc;

use super::checks::ReceivedCheck;
use super::members::Current;
use crate::client::RocketmqClient;

const ANSWERS_AT_ONCE: usize = 32;

/// How long an answer may take before UNKNOWN is sent. The broker then asks again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long sending an answer may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);

/// Answers received check-backs while it is polled.
pub(super) async fn answer_all(
    handler: Arc<impl CheckBackHandler>,
    mut received: mpsc::Receiver<ReceivedCheck>,
    client: RocketmqClient,
    current: Current,
) {
    let group = client.config().transaction_check_group();
    let received = stream::poll_fn(|context| received.poll_recv(context));
    let answering = received.for_each_concurrent(ANSWERS_AT_ONCE, async |received| {
        let ReceivedCheck { check, address, header } = received;
        let answer = answer(&*handler, check).await;
        let end = end_header(header, answer, &group);
        let request = RemotingCommand::create_request_command(RequestCode::EndTransaction, end);
        let member = current.get();
        // On the client's threads, as the connection is.
        client.in_background("rocketmq.answer_check", async move {
            if let Err(cause) = member.send(&address, request, SEND_TIMEOUT).await {
                // The broker asks again.
                tracing::warn!(%cause, broker = %address, "rocketmq.answer_not_sent");
            }
        });
    });
    answering.await;
}

async fn answer(handler: &impl CheckBackHandler, check: CheckBack) -> CheckAnswer {
    tokio::time::timeout(ANSWER_TIMEOUT, handler.answer(check)).await.unwrap_or_else(|_| {
        tracing::warn!("rocketmq.check_timed_out");
        CheckAnswer::Unknown
    })
}

/// The header of an answer. The broker compares its group with the half message's PGROUP, and both
/// offsets with its stored position (`EndTransactionProcessor.java`).
fn end_header(
    check: CheckTransactionStateRequestHeader,
    answer: CheckAnswer,
    group: &str,
) -> EndTransactionRequestHeader {
    EndTransactionRequestHeader {
        topic: check.topic.unwrap_or_default(),
        producer_group: group.into(),
        tran_state_table_offset: check.tran_state_table_offset,
        commit_log_offset: check.commit_log_offset,
        commit_or_rollback: match answer {
            CheckAnswer::Commit => MessageSysFlag::TRANSACTION_COMMIT_TYPE,
            CheckAnswer::Rollback => MessageSysFlag::TRANSACTION_ROLLBACK_TYPE,
            CheckAnswer::Unknown => MessageSysFlag::TRANSACTION_NOT_TYPE,
        },
        from_transaction_check: true,
        msg_id: check.msg_id.unwrap_or_default(),
        transaction_id: check.transaction_id,
        rpc_request_header: check.rpc_request_header.unwrap_or_default(),
    }
}
