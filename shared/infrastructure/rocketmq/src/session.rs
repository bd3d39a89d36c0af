//! Connections that are replaced when they may be dead.
//!
//! A frozen process wakes up with dead sockets, a NAT drops connections silently, and after five
//! failed connects the client refuses an address for 30 s (`rocketmq-client-rust` 1.0.0). A new
//! client instance solves all three problems and takes 10 to 25 ms.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::Failure;
use application::ports::{Clock, Topic};
use cheetah_string::CheetahString;
use domain::timestamp::Timestamp;
use futures::future::join_all;
use rocketmq_client_rust::{DefaultMQProducer, client_config_for_managed_domain};
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_protocol::protocol::route::topic_route_data::TopicRouteData;
use tokio::sync::{Mutex, oneshot, watch};

use crate::call::{millis_left, within};
use crate::client::{ROUTE_INTERVAL, RocketmqClient};
use crate::config::RocketmqConfig;
use crate::fault::{Missing, client_failure, unavailable};
use crate::lanes::{DOMAIN, Lane, Lanes};
use crate::route::{Holder, Master, holders, masters};

/// How long a connection is trusted after its last success, in wall-clock time: a monotonic clock
/// may stand still while a process is frozen.
const TRUSTED_FOR: Duration = Duration::from_secs(30);

/// How long running calls may still use a connection that was replaced.
const RETIRED_FOR: Duration = Duration::from_secs(5);

/// How long closing a connection may take. The client takes 6 s when the broker hangs.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long it may take to read a known route again.
const REFRESH_LIMIT: Duration = Duration::from_secs(3);

/// How long a sender waits for a current route before it uses the old one. A name server answers
/// within a millisecond.
const REFRESH_AWAITED_FOR: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sends messages and raw requests.
    Sender,
    /// Sends only raw requests.
    Receiver,
}

/// A client instance with its connections.
pub(crate) struct Session {
    /// The producer, which only a [`Role::Sender`] has. It shares the client instance with the
    /// lanes.
    producer: Option<DefaultMQProducer>,
    lanes: Lanes,
    /// The name server that the session uses, if it was chosen from several.
    name_server: Option<CheetahString>,
    config: RocketmqConfig,
    clock: Arc<dyn Clock>,
    routes: RwLock<HashMap<Topic, Route>>,
    /// The brokers that keep an index of their messages, by address.
    indexed: RwLock<HashSet<CheetahString>>,
    /// The time of the last success, in milliseconds since 1970.
    proven_at_ms: AtomicI64,
    /// Whether a call has failed. Then the next call gets a new session.
    suspect: AtomicBool,
    /// How long calls wait for the producer's current routes. `None` while it has them.
    renewing: watch::Sender<Option<Deadline>>,
}

/// A route, and when it was last requested for the session and its producer, in wall-clock time: a
/// monotonic clock may stand still while a process is frozen.
struct Route {
    masters: Vec<Master>,
    requested_at: Timestamp,
}

impl Route {
    /// Whether there may be new brokers, or some that take no more messages.
    fn is_old(&self, now: Timestamp) -> bool {
        !self.requested_at.is_younger_than(ROUTE_INTERVAL, now)
    }
}

impl Session {
    async fn open(
        client: RocketmqClient,
        role: Role,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let at = clock.now();
        let config = client.config();
        let role_name = match role {
            Role::Sender => "sender",
            Role::Receiver => "receiver",
        };
        let (instance, name_server) = client.answered_instance_config(role_name).await;
        let lanes = Lanes::new(Arc::clone(client.runtime()), instance.clone(), client.hook());
        let producer = match role {
            Role::Receiver => None,
            Role::Sender => {
                let mut producer = DefaultMQProducer::builder(Arc::clone(client.runtime()))
                    .client_config(client_config_for_managed_domain(DOMAIN, instance))
                    .producer_group(config.create_order_group())
                    .topics(vec![config.order_topic.as_str().into()])
                    .retry_times_when_send_failed(0)
                    .retry_times_when_send_async_failed(0)
                    .retry_another_broker_when_not_store_ok(false)
                    .auto_batch(false)
                    // Not all clients of other languages read what this one compresses: RocketMQ's
                    // proxy says gzip of what is zlib (apache/rocketmq-clients issue 667).
                    .compress_msg_body_over_howmuch(u32::MAX);
                if let Some(hook) = client.hook() {
                    producer = producer.rpc_hook(hook);
                }
                let mut producer = producer.build();
                if let Err(error) = Box::pin(producer.start()).await {
                    Box::pin(producer.shutdown()).await;
                    return Err(client_failure(error));
                }
                Some(producer)
            }
        };
        let session = Self {
            producer,
            lanes,
            name_server,
            config: config.clone(),
            clock,
            routes: RwLock::default(),
            indexed: RwLock::default(),
            proven_at_ms: AtomicI64::new(at.as_millis()),
            suspect: AtomicBool::new(false),
            renewing: watch::Sender::new(None),
        };
        if let Err(failure) = session.warm_up().await {
            session.close().await;
            return Err(failure);
        }
        Ok(session)
    }

    /// Starts the instance and reads the route of the order topic, which also connects to a name
    /// server. The routes of other topics are read when they are needed.
    async fn warm_up(&self) -> Result<(), Failure> {
        Box::pin(self.lanes.take().await?.start()).await.map_err(client_failure)?;
        let limit = Deadline::after(Duration::from_secs(3));
        self.read_route(Topic::Orders, limit).await.map(drop)
    }

    /// The producer of a [`Role::Sender`].
    pub(crate) fn producer(&self) -> Result<&DefaultMQProducer, Failure> {
        let missing = || unavailable(Missing("the session has no producer".to_owned()));
        self.producer.as_ref().ok_or_else(missing)
    }

    /// A handle for raw requests, free for this call.
    pub(crate) async fn lane(&self) -> Result<Lane<'_>, Failure> {
        self.lanes.take().await
    }

    /// Sends a raw request to a broker and waits for its answer.
    pub(crate) async fn invoke(
        &self,
        address: &str,
        request: RemotingCommand,
        deadline: Deadline,
        what: &'static str,
    ) -> Result<RemotingCommand, Failure> {
        let address = address.into();
        let call = async {
            let lane = self.lane().await?;
            let invoking = lane.invoke_remoting(&address, request, millis_left(deadline));
            Box::pin(invoking).await.map_err(client_failure)
        };
        within(deadline, what, call).await?
    }

    /// The masters of a topic, from the known route if there is one.
    pub(crate) async fn masters(
        &self,
        topic: Topic,
        deadline: Deadline,
    ) -> Result<Vec<Master>, Failure> {
        match self.known_route(topic) {
            Some(masters) => Ok(masters),
            None => self.read_route(topic, deadline).await,
        }
    }

    fn known_route(&self, topic: Topic) -> Option<Vec<Master>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(&topic).map(|route| route.masters.clone())
    }

    /// The topics whose routes were requested so long ago that they may have changed. This call
    /// marks them as requested now.
    fn old_routes(&self, now: Timestamp) -> Vec<Topic> {
        let is_old = |route: &Route| route.is_old(now);
        // Every call looks, and few find an old one.
        if !self.routes.read().unwrap_or_else(PoisonError::into_inner).values().any(is_old) {
            return Vec::new();
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let old = routes.iter_mut().filter(|(_, route)| is_old(route));
        old.map(|(topic, route)| {
            route.requested_at = now;
            *topic
        })
        .collect()
    }

    /// Reads routes again. Returns whether all could be read.
    async fn read_routes(&self, topics: &[Topic]) -> bool {
        let mut all_read = true;
        for topic in topics {
            let read = self.read_route(*topic, Deadline::after(REFRESH_LIMIT)).await;
            if let Err(failure) = read {
                all_read = false;
                tracing::warn!(cause = %failure.cause, "rocketmq.route_not_refreshed");
            }
        }
        all_read
    }

    /// Gives the producer current routes. It has routes of its own, which the client reads every
    /// [`ROUTE_INTERVAL`]: a process that was frozen longer would send its first message by the old
    /// ones, to a broker that may have been closed meanwhile.
    async fn renew_producer(&self, topics: &[Topic], awaited_until: Deadline) {
        join_all(topics.iter().map(|topic| self.renew_route(*topic))).await;
        // An answer from before a freeze ends no later wait.
        self.renewing.send_if_modified(|renewing| {
            let is_ours = *renewing == Some(awaited_until);
            if is_ours {
                *renewing = None;
            }
            is_ours
        });
    }

    async fn renew_route(&self, topic: Topic) {
        if self.producer.is_none() {
            return;
        }
        if let Ok(lane) = self.lane().await {
            let name = self.config.topic_name(topic).into();
            // The client limits the time, and keeps the old route if there is no other.
            Box::pin(lane.refresh_topic_route(&name)).await;
        }
    }

    /// Waits until the producer has current routes, if it is about to get them. Without an answer
    /// from a name server, it goes on with the old ones: after a quarter of the remaining time at
    /// the latest, so that a call never fails because of this.
    async fn renewed(&self, deadline: Deadline) {
        let mut renewing = self.renewing.subscribe();
        let Some(awaited_until) = *renewing.borrow_and_update() else { return };
        let limit = awaited_until.or_earlier(Deadline::after(deadline.remaining() / 4));
        let renewed = async { renewing.wait_for(Option::is_none).await.map(drop) };
        if within(limit, "renewing the routes", renewed).await.is_err() {
            tracing::debug!("rocketmq.old_route_used");
        }
    }

    /// The address of a master of a topic. The route is read again if the master is not known.
    pub(crate) async fn master_address(
        &self,
        topic: Topic,
        name: &str,
        deadline: Deadline,
    ) -> Result<String, Failure> {
        let find = |masters: &[Master]| {
            masters.iter().find(|master| master.name == name).map(|m| m.address.to_string())
        };
        if let Some(address) = find(&self.masters(topic, deadline).await?) {
            return Ok(address);
        }
        let masters = self.read_route(topic, deadline).await?;
        find(&masters)
            .ok_or_else(|| unavailable(Missing(format!("broker {name} is not on the route"))))
    }

    /// Asks a name server for the route of a topic.
    pub(crate) async fn read_route(
        &self,
        topic: Topic,
        deadline: Deadline,
    ) -> Result<Vec<Master>, Failure> {
        // The answer may be read long after it was sent, if the process is frozen meanwhile.
        let requested_at = self.clock.now();
        let route = self.topic_route(topic, deadline).await?;
        let found = route.as_ref().map(masters).unwrap_or_default();
        if found.is_empty() {
            let missing =
                format!("topic {} has no master on its route", self.config.topic_name(topic));
            return Err(unavailable(Missing(missing)));
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let unknown = Route { masters: Vec::new(), requested_at };
        // Only a refresh, which marks it, is also for the producer.
        routes.entry(topic).or_insert(unknown).masters.clone_from(&found);
        Ok(found)
    }

    /// What holds the messages of a topic on its current route. A broker without a master is listed
    /// with its replicas.
    pub(crate) async fn read_holders(
        &self,
        topic: Topic,
        deadline: Deadline,
    ) -> Result<Vec<Holder>, Failure> {
        let route = self.topic_route(topic, deadline).await?;
        let found = route.as_ref().map(holders).unwrap_or_default();
        if found.is_empty() {
            let missing =
                format!("topic {} has no broker on its route", self.config.topic_name(topic));
            return Err(unavailable(Missing(missing)));
        }
        Ok(found)
    }

    async fn topic_route(
        &self,
        topic: Topic,
        deadline: Deadline,
    ) -> Result<Option<TopicRouteData>, Failure> {
        let call = async {
            let lane = self.lane().await?;
            let asking = lane.topic_route(self.config.topic_name(topic), millis_left(deadline));
            Box::pin(asking).await.map_err(client_failure)
        };
        within(deadline, "reading the route", call).await?
    }

    /// Whether a broker is known to keep an index of its messages.
    pub(crate) fn is_indexed(&self, address: &CheetahString) -> bool {
        self.indexed.read().unwrap_or_else(PoisonError::into_inner).contains(address)
    }

    /// Records that a broker keeps an index of its messages.
    pub(crate) fn mark_indexed(&self, address: &CheetahString) {
        let mut indexed = self.indexed.write().unwrap_or_else(PoisonError::into_inner);
        indexed.insert(address.clone());
    }

    /// Records that a call has succeeded.
    pub(crate) fn prove(&self, at: Timestamp) {
        self.proven_at_ms.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    /// Records that a call has failed, or that another name server has to be used.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    fn is_sound(&self, now: Timestamp) -> bool {
        !self.suspect.load(Ordering::Relaxed)
            && is_trusted(Timestamp::from_millis(self.proven_at_ms.load(Ordering::Relaxed)), now)
    }

    async fn close(&self) {
        let close = async {
            self.lanes.close().await;
            if let Some(producer) = &self.producer {
                Box::pin(producer.clone().shutdown()).await;
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::debug!("rocketmq.session_close_timed_out");
        }
    }
}

/// Whether a session that worked at `proven_at` still counts as working. Another call may prove it
/// a moment after `now` was read. Much later than `now` means that the clock was set back, and how
/// long ago that was is not known.
fn is_trusted(proven_at: Timestamp, now: Timestamp) -> bool {
    now.since(proven_at) <= TRUSTED_FOR && proven_at.since(now) <= TRUSTED_FOR
}

/// The session of an adapter: one at a time, used by all its calls at once.
pub(crate) struct Sessions {
    client: RocketmqClient,
    clock: Arc<dyn Clock>,
    role: Role,
    current: Arc<Mutex<Option<Arc<Session>>>>,
}

impl Sessions {
    pub(crate) fn new(client: RocketmqClient, clock: Arc<dyn Clock>, role: Role) -> Self {
        Self { client, clock, role, current: Arc::default() }
    }

    pub(crate) fn client(&self) -> &RocketmqClient {
        &self.client
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The current session, or a new one if none is open, a call on it has failed, its name server
    /// has none of the routes that another one has, or its last success is more than 30 s ago.
    /// Callers wait while a new one is opened, and senders briefly while old routes are read again.
    pub(crate) async fn acquire(&self, deadline: Deadline) -> Result<Arc<Session>, Failure> {
        let session = self.current(deadline).await?;
        session.renewed(deadline).await;
        Ok(session)
    }

    async fn current(&self, deadline: Deadline) -> Result<Arc<Session>, Failure> {
        let mut current = within(deadline, "waiting for a session", self.current.lock()).await?;
        if let Some(session) = current.as_ref().filter(|session| session.is_sound(self.now())) {
            self.refresh_routes(session);
            return Ok(Arc::clone(session));
        }
        if let Some(unsound) = current.take() {
            self.retire(unsound);
        }
        let session = self.open(deadline).await?;
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Opens a session on the client's threads. If the deadline passes first, the session is still
    /// kept for the next call: when a name server is unreachable or a processor is slow, the time
    /// of one call might never be enough.
    async fn open(&self, deadline: Deadline) -> Result<Arc<Session>, Failure> {
        let (sender, receiver) = oneshot::channel();
        let opening = Session::open(self.client.clone(), self.role, Arc::clone(&self.clock));
        let current = Arc::downgrade(&self.current);
        self.client.in_background("rocketmq.open_session", async move {
            if let Err(Ok(late)) = sender.send(opening.await) {
                keep(late, &current).await;
            }
        });
        let gone = |_| unavailable(Missing("the client is shutting down".to_owned()));
        let opened = within(deadline, "opening a session", receiver).await?.map_err(gone)?;
        opened.map(Arc::new)
    }

    /// Reads old routes again in the background: the session's, to know brokers that were started
    /// or restarted, and the producer's, to send nothing to those that were closed. If that fails
    /// and another name server has a route, the next call gets a session with that one; otherwise
    /// the old routes stay.
    fn refresh_routes(&self, session: &Arc<Session>) {
        let old = session.old_routes(self.now());
        if old.is_empty() {
            return;
        }
        let awaited_until = Deadline::after(REFRESH_AWAITED_FOR);
        if session.producer.is_some() {
            session.renewing.send_replace(Some(awaited_until));
        }
        let (session, client) = (Arc::clone(session), self.client.downgrade());
        self.client.in_background("rocketmq.refresh_routes", async move {
            let renewing = session.renew_producer(&old, awaited_until);
            let (all_read, ()) = futures::join!(session.read_routes(&old), renewing);
            if all_read {
                return;
            }
            let answering = client.answering_name_server().await;
            if answering.is_some() && answering != session.name_server {
                session.suspect();
            }
        });
    }

    fn retire(&self, session: Arc<Session>) {
        self.client.in_background("rocketmq.retire_session", async move {
            tokio::time::sleep(RETIRED_FOR).await;
            session.close().await;
        });
    }

    /// Closes the session, and shuts the client down if no other adapter uses it.
    pub(crate) async fn shutdown(self) {
        let Self { client, current, .. } = self;
        let last = current.lock().await.take();
        // This is the last reference, so a session that is still being opened will not be kept.
        drop(current);
        if let Some(session) = last {
            session.close().await;
        }
        client.shutdown().await;
    }
}

/// Keeps a session that was opened too late for its call, unless there is already another one or
/// the adapter has shut down.
async fn keep(late: Session, current: &Weak<Mutex<Option<Arc<Session>>>>) {
    if let Some(current) = current.upgrade() {
        let mut current = current.lock().await;
        if current.is_none() {
            *current = Some(Arc::new(late));
            return;
        }
    }
    late.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_trusted_for_a_while_and_not_when_the_clock_was_set_back() {
        let at = |seconds: i64| Timestamp::from_millis(1_000_000 + seconds * 1_000);
        assert!(is_trusted(at(0), at(30)));
        assert!(!is_trusted(at(0), at(31)));
        assert!(is_trusted(at(1), at(0)), "another call has just proven it");
        assert!(!is_trusted(at(3_600), at(0)));
    }
}
