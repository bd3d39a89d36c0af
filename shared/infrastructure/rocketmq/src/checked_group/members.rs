//! Sends heartbeats to the brokers of our topics, so that they ask the member.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use application::outcome::Cause;
use application::ports::Topic;
use cheetah_string::CheetahString;
use futures::future::join_all;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::protocol::RemotingSerializable;
use rocketmq_protocol::protocol::header::heartbeat_request_header::HeartbeatRequestHeader;
use rocketmq_protocol::protocol::heartbeat::heartbeat_data::HeartbeatData;
use rocketmq_protocol::protocol::heartbeat::producer_data::ProducerData;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_protocol::protocol::route::topic_route_data::TopicRouteData;
use tokio::sync::{mpsc, oneshot};

use super::JoinError;
use super::checks::{Checks, ReceivedCheck};
use crate::client::RocketmqClient;
use crate::fault::BrokerAnswer;
use crate::route::masters;
use crate::transport::Transport;

/// How often heartbeats are sent. A broker forgets a member after 120 s, or when its connection
/// closes.
const GREET_EVERY: Duration = Duration::from_secs(10);

/// When heartbeats are sent again after a round in which a server did not answer.
const GREET_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// After this many rounds in a row in which a server did not answer, new connections are opened:
/// after five failed connections the transport refuses an address for 30 s (`reconnect.rs` of
/// rocketmq-transport 1.0.0).
const ROUNDS_TO_RENEW: u32 = 4;

type Member = Transport<Checks>;

/// The member whose connections are used now.
#[derive(Clone)]
pub(super) struct Current(Arc<RwLock<Arc<Member>>>);

impl Current {
    pub(super) fn get(&self) -> Arc<Member> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, member: Arc<Member>) -> Arc<Member> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), member)
    }
}

/// Keeps the membership alive.
pub(super) struct Members {
    client: RocketmqClient,
    received: mpsc::Sender<ReceivedCheck>,
    current: Current,
    heartbeat: HeartbeatData,
}

impl Members {
    /// Starts the member's transport. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the transport can't be started.
    pub(super) async fn start(
        client: RocketmqClient,
        received: mpsc::Sender<ReceivedCheck>,
    ) -> Result<Self, JoinError> {
        let config = client.instance_config("checker");
        let member = member(&client, &received).await.map_err(JoinError::Join)?;
        let group_name = client.config().transaction_check_group().into();
        let heartbeat = HeartbeatData {
            client_id: config.build_mq_client_id().into(),
            producer_data_set: HashSet::from([ProducerData { group_name }]),
            ..HeartbeatData::default()
        };
        let current = Current(Arc::new(RwLock::new(member)));
        Ok(Self { client, received, current, heartbeat })
    }

    pub(super) fn current(&self) -> Current {
        self.current.clone()
    }

    /// Sends heartbeats to all brokers until it is requested to leave. `greeted` is sent after the
    /// first round, whatever its result.
    pub(super) async fn keep(
        self,
        greeted: oneshot::Sender<()>,
        mut left: oneshot::Receiver<oneshot::Sender<()>>,
    ) {
        let mut greeted = Some(greeted);
        let mut failures_in_a_row = 0;
        loop {
            let round = async {
                let all_answered = self.greet_all().await;
                if let Some(greeted) = greeted.take() {
                    let _receiver_gone = greeted.send(());
                }
                if all_answered {
                    failures_in_a_row = 0;
                    tokio::time::sleep(GREET_EVERY).await;
                    return;
                }
                failures_in_a_row += 1;
                if failures_in_a_row % ROUNDS_TO_RENEW == 0 {
                    self.renew().await;
                }
                tokio::time::sleep(GREET_AGAIN_AFTER).await;
            };
            tokio::select! {
                () = round => {}
                done = &mut left => {
                    self.current.get().close().await;
                    // The caller that waits shuts the client down next, and must hold the last
                    // reference.
                    drop(self);
                    if let Ok(done) = done {
                        let _nobody_waits = done.send(());
                    }
                    return;
                }
            }
        }
    }

    /// Sends a heartbeat to all masters of our topics at once. Returns whether every master
    /// answered and every topic's route is known. The user topic may be missing.
    async fn greet_all(&self) -> bool {
        let routes = join_all(Topic::ALL.map(|topic| self.masters_of(topic))).await;
        let mut all_answered = true;
        let mut addresses = BTreeSet::new();
        for route in routes {
            match route {
                Ok(found) => addresses.extend(found),
                Err(cause) => {
                    all_answered = false;
                    tracing::warn!(%cause, "rocketmq.checked_group_without_route");
                }
            }
        }
        let greetings = join_all(addresses.iter().map(|address| self.greet(address))).await;
        for (address, greeting) in addresses.iter().zip(greetings) {
            if let Err(cause) = greeting {
                all_answered = false;
                tracing::warn!(%cause, broker = %address, "rocketmq.broker_not_greeted");
            }
        }
        all_answered
    }

    async fn masters_of(&self, topic: Topic) -> Result<Vec<CheetahString>, Cause> {
        let member = self.current.get();
        let (_, mut answer) = member.first_route(self.client.config(), topic).await?;
        // The user topic was not created yet.
        if topic == Topic::Users && answer.code() == ResponseCode::TopicNotExist as i32 {
            return Ok(Vec::new());
        }
        let body = success(&answer).map(|()| answer.take_body())?;
        let route = TopicRouteData::decode(&body.unwrap_or_default())?;
        Ok(masters(&route).into_iter().map(|master| master.address).collect())
    }

    async fn greet(&self, address: &CheetahString) -> Result<(), Cause> {
        let header = HeartbeatRequestHeader::default();
        let request = RemotingCommand::create_request_command(RequestCode::HeartBeat, header)
            .set_body(self.heartbeat.encode()?);
        success(&self.current.get().ask(address, request).await?)
    }

    async fn renew(&self) {
        match member(&self.client, &self.received).await {
            Ok(new) => self.current.replace(new).close().await,
            Err(cause) => tracing::warn!(%cause, "rocketmq.checked_group_not_renewed"),
        }
    }
}

fn success(answer: &RemotingCommand) -> Result<(), Cause> {
    BrokerAnswer::unless_success(answer).map_or(Ok(()), |refused| Err(refused.into()))
}

async fn member(
    client: &RocketmqClient,
    received: &mpsc::Sender<ReceivedCheck>,
) -> Result<Arc<Member>, Cause> {
    let checks = Checks::new(client.config().clone(), received.clone());
    Ok(Arc::new(Transport::start(client, checks).await?))
}
