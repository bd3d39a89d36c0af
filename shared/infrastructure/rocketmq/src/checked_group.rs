//! Membership of the group that answers check-backs.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Cause, Failure};
use application::ports::{CheckAnswer, CheckBack, CheckBackHandler, Topic};
use contracts::message::{AGGREGATE, DEADLINE_MS, EVENT_ID, RECORDED, TRANSACTION_ID};
use domain::identity::OrderId;
use domain::timestamp::Timestamp;
use rocketmq_client_rust::{LocalTransactionState, TransactionListener, TransactionMQProducer};
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_model::common::message::{MessageConst, MessageTrait};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use crate::call::within;
use crate::client::{BLOCKING_CALLS_MAX, RocketmqClient, StartError};
use crate::config::RocketmqConfig;
use crate::fault::{Missing, client_failure, unavailable};
use crate::subscription::property;

/// How long a start may take. With a cluster that is away it ends sooner, and the client goes on
/// trying to connect.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long leaving may take, apart from the client's end. The client takes 6 s when a broker
/// hangs.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer may take before UNKNOWN is told. The broker then asks again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many check-backs may wait for their turn. The client drops further ones, and the broker asks
/// again in its next round.
const CHECKS_WAITING_MAX: u32 = 4096;

/// The group was not joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The client's threads can't be had.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The client didn't start as a member of the group.
    #[error("the group could not be joined")]
    Join(#[source] Cause),
}

impl From<Failure> for JoinError {
    fn from(failure: Failure) -> Self {
        Self::Join(failure.cause)
    }
}

/// A live member of the group `transaction-check`, connected to every broker of our topics: brokers
/// ask it what became of half messages. It sends nothing.
pub struct CheckedGroup {
    client: RocketmqClient,
    member: TransactionMQProducer,
}

impl CheckedGroup {
    /// Joins, and has `handler` answer on the caller's runtime, in the caller's span, until it
    /// leaves. A cluster that is away is no error: the client connects within 10 s of its return.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the client can't be started.
    pub async fn join(
        client: RocketmqClient,
        handler: Arc<impl CheckBackHandler>,
    ) -> Result<Self, JoinError> {
        let config = client.config();
        let listener = Listener {
            runtime: Handle::current(),
            span: Span::current(),
            handler,
            config: config.clone(),
        };
        // Without its topics, a member connects to no broker before it sends, and is never asked.
        let mut member = TransactionMQProducer::builder(Arc::clone(client.runtime()))
            .client_config(client.instance_config("checker"))
            .producer_group(config.transaction_check_group())
            .topics(Topic::ALL.map(|topic| config.topic_name(topic)).to_vec())
            .check_thread_pool_min_size(checks_at_once())
            .check_thread_pool_max_size(checks_at_once())
            .check_request_hold_max(CHECKS_WAITING_MAX)
            .transaction_listener(listener);
        if let Some(hook) = client.hook() {
            member = member.rpc_hook(hook);
        }
        let mut member = member.build();
        let (sender, receiver) = oneshot::channel();
        client.in_background("rocketmq.join_checked_group", async move {
            let started = Box::pin(member.start()).await;
            if let Err(Ok(mut nobody_waits)) = sender.send(started.map(|()| member)) {
                Box::pin(nobody_waits.shutdown()).await;
            }
        });
        let gone = |_| unavailable(Missing("the client is shutting down".to_owned()));
        let deadline = Deadline::after(JOIN_TIMEOUT);
        let started = within(deadline, "joining the group", receiver).await?.map_err(gone)?;
        let member = started.map_err(client_failure)?;
        Ok(Self { client, member })
    }

    /// Leaves the group, so that brokers ask others. With the last adapter of a client, the client
    /// ends too.
    pub async fn leave(self) {
        let Self { client, mut member } = self;
        if tokio::time::timeout(LEAVE_TIMEOUT, Box::pin(member.shutdown())).await.is_err() {
            tracing::warn!("rocketmq.leave_timed_out");
        }
        drop(member);
        client.shutdown().await;
    }
}

fn checks_at_once() -> u32 {
    u32::try_from(BLOCKING_CALLS_MAX).unwrap_or(u32::MAX)
}

/// The client's listeners are synchronous; it calls them on blocking threads of its own.
struct Listener<H> {
    /// The caller's runtime, on which the answer is found.
    runtime: Handle,
    /// The caller's span: what is answered on the client's threads is logged in it.
    span: Span,
    handler: Arc<H>,
    config: RocketmqConfig,
}

impl<H: CheckBackHandler> TransactionListener for Listener<H> {
    /// Never called, as a member sends nothing.
    fn execute_local_transaction(
        &self,
        _message: &dyn MessageTrait,
        _argument: Option<&(dyn Any + Send + Sync)>,
    ) -> LocalTransactionState {
        LocalTransactionState::Unknown
    }

    fn check_local_transaction(&self, message: &MessageExt) -> LocalTransactionState {
        let check = check_back(message, &self.config);
        let answer =
            async { tokio::time::timeout(ANSWER_TIMEOUT, self.handler.answer(check)).await };
        match self.runtime.block_on(answer.instrument(self.span.clone())) {
            Ok(CheckAnswer::Commit) => LocalTransactionState::CommitMessage,
            Ok(CheckAnswer::Rollback) => LocalTransactionState::RollbackMessage,
            Ok(CheckAnswer::Unknown) => LocalTransactionState::Unknown,
            Err(_) => {
                tracing::warn!("rocketmq.check_timed_out");
                LocalTransactionState::Unknown
            }
        }
    }
}

/// What can be read of a half message. The transaction is the user property: the client's own
/// transaction id is another.
fn check_back(message: &MessageExt, config: &RocketmqConfig) -> CheckBack {
    let deadline_ms = property(message, DEADLINE_MS).and_then(|text| text.parse().ok());
    CheckBack {
        topic: config.topic_of(message.topic()),
        transaction_id: property(message, TRANSACTION_ID).and_then(|text| text.parse().ok()),
        event_id: property(message, EVENT_ID).and_then(|text| text.parse().ok()),
        aggregate: property(message, AGGREGATE).and_then(|text| text.parse().ok()),
        is_recorded: property(message, RECORDED) == Some("true"),
        order_id: order_id(message),
        deadline: deadline_ms.map(Timestamp::from_millis),
    }
}

/// The keys are the event's and its subject's, which is an order only where it reads as one.
fn order_id(message: &MessageExt) -> Option<OrderId> {
    let keys = property(message, MessageConst::PROPERTY_KEYS)?;
    keys.split(MessageConst::KEY_SEPARATOR).nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use platform::settings::Settings;
    use rocketmq_model::common::message::message_single::Message;

    use super::*;

    fn config() -> RocketmqConfig {
        let pairs = [("ROCKETMQ_NAMESRV_ADDR", "a:1"), ("ROCKETMQ_GROUP_PREFIX", "p-")];
        RocketmqConfig::read(&mut Settings::from_pairs(pairs)).unwrap()
    }

    fn asked(topic: &str, properties: &[(&'static str, &str)]) -> CheckBack {
        let mut inner = Message::default();
        inner.set_topic(topic.into());
        for (name, value) in properties {
            inner.put_property((*name).into(), (*value).into());
        }
        let mut message = MessageExt::default();
        message.set_message_inner(inner);
        check_back(&message, &config())
    }

    #[test]
    fn a_check_back_carries_our_ids() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let check = asked(
            "ORDER_EVENTS",
            &[
                ("event_id", id),
                ("transaction_id", id),
                ("deadline_ms", "1700000000000"),
                ("aggregate", &format!("USER#7/ORDER#{id}")),
                ("recorded", "true"),
                ("KEYS", &format!("{id} {id}")),
            ],
        );
        assert_eq!(check.order_id, id.parse().ok());
        assert_eq!(check.aggregate, format!("USER#7/ORDER#{id}").parse().ok());
        assert!(check.is_recorded);
        assert_eq!(check.topic, Some(Topic::Orders));
        assert_eq!(check.event_id, id.parse().ok());
        assert_eq!(check.transaction_id, id.parse().ok());
        assert_eq!(check.deadline, Some(Timestamp::from_millis(1_700_000_000_000)));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        let check = asked(
            "ANOTHER",
            &[
                ("event_id", "x"),
                ("deadline_ms", "soon"),
                ("aggregate", "ORDER"),
                ("recorded", "yes"),
                ("__transactionId__", "y"),
                ("KEYS", "x 123"),
            ],
        );
        let nothing = CheckBack {
            topic: None,
            transaction_id: None,
            event_id: None,
            aggregate: None,
            is_recorded: false,
            order_id: None,
            deadline: None,
        };
        assert_eq!(check, nothing);
    }
}
