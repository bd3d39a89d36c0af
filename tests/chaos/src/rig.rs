//! A system behind proxies, and its clients.

mod log;
mod seen;
mod windows;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use application::deadline::Deadline;
use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, UserId};
use dynamodb::config::{DeadLettersTable, OrdersTable, TableName, UsersTable};
use dynamodb::{DynamoAggregates, DynamoOrders};
use futures::stream::{self, StreamExt, TryStreamExt};
use harness::checkout;
use harness::memory;
use harness::processor;
use harness::provision::{DEMO_USER_ID, rocketmq_config};
use harness::proxies::{FunctionProxies, Proxies};
use harness::remoting::code;
use harness::system::{System, SystemOptions};
use harness::table;
use harness::user::{User, order_of};
use local_lambda::Signal;
use platform::clock::SystemClock;
use reqwest::{Client, Method};
use rocketmq::publisher::RocketmqPublisher;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{Cancel, ClientLog, Entry, Intent, Outcome};
use crate::cluster::Cluster;
use crate::figures::Recovery;
use crate::judge::Records;
use crate::waiting::{PATIENCE, eventually, how_long};
use log::LogKeeper;
pub use seen::Seen;
pub use windows::Windows;

pub const CREATE_ORDER: &str = "create-order";
/// Answers check-backs, and sweeps.
pub const TRANSACTION_CHECK: &str = "transaction-check";
pub const EVENT_CONSUMER: &str = "event-consumer";

pub const CANCEL_ORDER: &str = "cancel-order";

/// Those that handle orders and their events.
pub const FUNCTIONS: [&str; 3] = [CREATE_ORDER, TRANSACTION_CHECK, EVENT_CONSUMER];

/// Orders or messages that are sent at once when there are many.
pub const MANY_AT_ONCE: usize = 8;

/// API Gateway gives up after 30 s.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(35);

const GAUGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that a fault may take to happen.
pub const FAULT_LIMIT: Duration = Duration::from_secs(60);

pub struct Rig<'a> {
    // Dropped before the system, whose folder is deleted with it.
    kept: LogKeeper,
    pub system: System,
    /// What clients wanted, and the outcomes of their requests.
    pub log: ClientLog,
    /// The windows of the scheduled functions.
    pub windows: Windows,
    pub seen: Seen,
    pub seed: u64,
    /// Set if no other system uses the cluster.
    own_cluster: Option<&'a Cluster>,
    /// The longest so far.
    recovery: Mutex<Recovery>,
    /// Whether the table outlives the system.
    shared_table: bool,
    user: User,
}

/// Open windows of each scheduled function at a time.
#[derive(Debug, Clone, Copy)]
pub struct Crew {
    pub checkers: usize,
    pub consumers: usize,
}

impl Crew {
    /// Nobody answers check-backs or sweeps.
    pub const WITHOUT_CHECKERS: Self = Self { checkers: 0, consumers: 2 };
}

impl Default for Crew {
    /// As many as the template's schedules keep open.
    fn default() -> Self {
        Self { checkers: 1, consumers: 2 }
    }
}

impl<'a> Rig<'a> {
    /// Starts a system with the usual windows.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(cluster: &'a Cluster, seed: u64) -> anyhow::Result<Self> {
        Self::start_with(cluster, seed, Crew::default(), |_| {}).await
    }

    /// Declares that no other system uses this rig's cluster, so the broker's own count of half
    /// messages is this rig's. That count is needed where a broker dies: what was sent to it may
    /// never have arrived.
    #[must_use]
    pub fn alone_on(mut self, cluster: &'a Cluster) -> Self {
        self.own_cluster = Some(cluster);
        self
    }

    /// The half messages that have not ended: by the broker's own count if this rig is alone on it,
    /// else by what was sent to the broker.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn open_halves(&self) -> anyhow::Result<u64> {
        match self.own_cluster {
            Some(cluster) => cluster.open_halves().await,
            None => Ok(u64::try_from(self.proxies()?.journal().open().len())?),
        }
    }

    /// # Errors
    /// When a part does not start.
    pub async fn start_with(
        cluster: &Cluster,
        seed: u64,
        crew: Crew,
        change: impl FnOnce(&mut SystemOptions),
    ) -> anyhow::Result<Self> {
        let mut options = SystemOptions::isolated(&checkout::root()?)?;
        options.namesrv = Some(cluster.namesrv().to_owned());
        options.access = cluster.access().cloned();
        options.table = cluster.table().map(ToOwned::to_owned);
        options.proxies = true;
        // The windows are opened here, one after another, so that a row that kills a process does
        // not wait for the next minute.
        options.schedules = false;
        change(&mut options);
        let target = options.target.clone();
        let system = System::start(options).await?;
        let kept = LogKeeper::new(&system, target);
        let client = Client::builder().timeout(CLIENT_TIMEOUT).build()?;
        let user = User::log_in(&system.api_url, client).await?;
        let seen = Seen::default();
        let proxies = system.proxies.as_ref().context("this system has no proxies")?;
        for function in FUNCTIONS {
            seen.watch(&proxies.of_function(function)?.table);
        }
        let windows = Windows::open(&system.host, crew);
        let log = ClientLog::default();
        let rig = Self {
            kept,
            system,
            log,
            windows,
            seen,
            seed,
            own_cluster: None,
            recovery: Mutex::default(),
            shared_table: cluster.table().is_some(),
            user,
        };
        // The row begins once every function has started and the first order's extra time is over.
        rig.settle("warm-up").await?;
        Ok(rig)
    }

    /// The longest so far.
    pub fn recovery(&self) -> Recovery {
        *self.recovery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_recovery(&self, recovery: Recovery) {
        let mut longest = self.recovery.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = longest.merged(recovery);
    }

    /// Ends the windows and the system, and deletes its tables in a shared table server.
    pub async fn stop(mut self) {
        self.kept.forget();
        self.windows.close();
        let shared_table = self.shared_table.then(|| {
            let names = self.system.names.tables.iter().map(|table| table.name.clone());
            (table::client(&self.system.endpoints.table_url), names.collect::<Vec<_>>())
        });
        self.system.stop().await;
        // Otherwise the table server that all rows share would keep the tables of each.
        if let Some((client, names)) = shared_table {
            for name in names {
                if let Err(error) = client.delete_table().table_name(&name).send().await {
                    tracing::warn!(
                        name,
                        error = &error as &dyn std::error::Error,
                        "a table is left"
                    );
                }
            }
        }
    }

    /// Bypasses all proxies.
    pub fn tables(&self) -> dynamodb::Client {
        table::client(&self.system.endpoints.table_url)
    }

    /// # Errors
    /// Never in a rig: its system has this table.
    pub fn letters_table(&self) -> anyhow::Result<DeadLettersTable> {
        Ok(DeadLettersTable::named(self.table_named("DeadLettersTable")?))
    }

    /// # Errors
    /// Never in a rig: its system has this table.
    pub fn orders_table(&self) -> anyhow::Result<OrdersTable> {
        Ok(OrdersTable::named(self.table_named("OrdersTable")?))
    }

    /// # Errors
    /// Never in a rig: its system has this table.
    pub fn users_table(&self) -> anyhow::Result<UsersTable> {
        Ok(UsersTable::named(self.table_named("UsersTable")?))
    }

    /// Bypasses all proxies.
    ///
    /// # Errors
    /// Never in a rig: its system has this table.
    pub fn order_keys(&self) -> anyhow::Result<DynamoOrders> {
        Ok(DynamoOrders::new(self.tables(), self.orders_table()?))
    }

    /// Bypasses all proxies.
    ///
    /// # Errors
    /// Never in a rig: its system has these tables.
    pub fn aggregates(&self) -> anyhow::Result<DynamoAggregates> {
        Ok(DynamoAggregates::new(self.tables(), self.orders_table()?, self.users_table()?))
    }

    fn table_named(&self, logical_id: &str) -> anyhow::Result<TableName> {
        let name = self.system.names.table(logical_id);
        Ok(TableName::parse(name.with_context(|| format!("there is no {logical_id}"))?)?)
    }

    /// Asks the broker about its state, as the alarms' metrics do, and bypasses all proxies. The
    /// second argument of `questions` returns the deadline for one question.
    ///
    /// # Errors
    /// When no connection can be made, or the questions fail.
    pub async fn ask_broker<T>(
        &self,
        questions: impl AsyncFnOnce(&RocketmqPublisher, fn() -> Deadline) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let config = rocketmq_config(&self.system.endpoints, &self.system.names)?;
        let publisher = RocketmqPublisher::start(config, SystemClock).await?;
        let answers = questions(&publisher, || Deadline::after(GAUGE_TIMEOUT)).await;
        publisher.shutdown().await;
        answers
    }

    /// An order as the API shows it to its user.
    ///
    /// # Errors
    /// When it does not exist, or cannot be read.
    pub async fn read_order(&self, order_id: &str) -> anyhow::Result<Value> {
        let response = self.user.read(order_id).send().await?;
        Ok(serde_json::from_slice(&response.error_for_status()?.bytes().await?)?)
    }

    /// The peak memory of any live process of a function and the memory that the template gives it,
    /// both in bytes; `None` if the function has no process.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn memory(&self, function: &str) -> anyhow::Result<Option<(u64, u64)>> {
        let instances = self.system.host.instances(function)?;
        let peak = instances.iter().filter_map(|instance| memory::peak(instance.pid)).max();
        let mut functions = self.system.template.functions.iter();
        let specified = functions.find(|specified| specified.name == function);
        let specified = specified.with_context(|| format!("there is no function {function}"))?;
        let given = u64::from(specified.memory_mib) * 1024 * 1024;
        Ok(peak.map(|peak| (peak, given)))
    }

    /// The processor time of the function's live processes so far.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn processor_time(&self, function: &str) -> anyhow::Result<Duration> {
        let instances = self.system.host.instances(function)?;
        Ok(instances.iter().filter_map(|instance| processor::used(instance.pid)).sum())
    }

    /// Logs the demo user in, which raises an event.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn log_in(&self) -> anyhow::Result<()> {
        self.user.renew().await
    }

    /// Sends a GET to the API, and returns the status and the body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let response = self.user.anonymous(Method::GET, path).send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
    }

    /// Creates orders at once, under keys that begin with `prefix`. Returns the ids of those that
    /// were acknowledged.
    pub async fn create_all(&self, prefix: &str, count: u64) -> Vec<String> {
        let keys: Vec<_> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
        let created = futures::future::join_all(keys.iter().map(|key| self.create(key))).await;
        created.iter().filter_map(|outcome| outcome.acked().map(ToOwned::to_owned)).collect()
    }

    /// Creates more orders than [`Rig::create_all`] could create at once. Returns how many were
    /// acknowledged.
    pub async fn create_many(&self, prefix: &str, count: u64) -> u64 {
        let keys = (0..count).map(|n| format!("{prefix}-{n}"));
        let created = stream::iter(keys).map(async |key| self.create(&key).await);
        let acked = created
            .buffer_unordered(MANY_AT_ONCE)
            .fold(0, async |acked, outcome| acked + u64::from(outcome.acked().is_some()));
        acked.await
    }

    /// [`Rig::settle`] for many orders, under keys that begin with `prefix`.
    ///
    /// # Errors
    /// As of [`Rig::settle`].
    pub async fn settle_all(&self, prefix: &str, count: u64) -> anyhow::Result<()> {
        let keys = (0..count).map(|n| format!("{prefix}-{n}"));
        let settled = stream::iter(keys).map(async |key| self.settle(&key).await);
        settled.buffer_unordered(MANY_AT_ONCE).try_for_each(async |_| Ok(())).await
    }

    /// Waits until every order is finished, and returns how long that took.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn until_finished(&self, what: &str) -> anyhow::Result<Duration> {
        self.until_finished_within(PATIENCE, what).await
    }

    /// [`Rig::until_finished`] with the caller's time limit.
    ///
    /// # Errors
    /// When it takes longer.
    pub async fn until_finished_within(
        &self,
        limit: Duration,
        what: &str,
    ) -> anyhow::Result<Duration> {
        how_long(limit, what, async || Ok(Records::read(self).await?.unfinished().is_empty())).await
    }

    /// Waits until no event of an account, a session or a mail is pending, and returns how long
    /// that took. [`Rig::until_finished`] does not wait for these events.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub async fn until_users_are_handled(
        &self,
        limit: Duration,
        what: &str,
    ) -> anyhow::Result<Duration> {
        how_long(limit, what, async || Ok(Records::pending_of_users(self).await? == 0)).await
    }

    /// In bytes.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn longest_line(&self) -> anyhow::Result<u64> {
        self.kept.longest_line()
    }

    /// The highest value that any function has written; `None` before the first.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn metric(&self, name: &str) -> anyhow::Result<Option<f64>> {
        self.kept.metric(name)
    }

    /// The values of a metric that a function has written, each with the time at which it was
    /// written, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn samples(&self, function: &str, metric: &str) -> anyhow::Result<Vec<(i64, f64)>> {
        self.kept.samples(function, metric)
    }

    /// How many lines of the functions' log have this text.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn lines_with(&self, text: &str) -> anyhow::Result<usize> {
        self.kept.lines_with(text)
    }

    /// # Errors
    /// Never in a rig: its system has proxies.
    pub fn proxies(&self) -> anyhow::Result<&Proxies> {
        self.system.proxies.as_ref().context("this system has no proxies")
    }

    /// # Errors
    /// When the function does not exist.
    pub fn proxies_of(&self, function: &str) -> anyhow::Result<&FunctionProxies> {
        self.proxies()?.of_function(function)
    }

    /// Sends one request for an order under a key, and adds its outcome to the log. A key that was
    /// used before keeps its intent.
    pub async fn create(&self, key: &str) -> Outcome {
        self.create_as(key, Intent { product_id: 1, quantity: 1 }).await
    }

    /// [`Rig::create`] with another intent.
    pub async fn create_as(&self, key: &str, intent: Intent) -> Outcome {
        let intent = self.log.intend(key, intent);
        let (outcome, took) = self.ask(key, intent).await;
        self.log.add(Entry { key: key.to_owned(), outcome: outcome.clone(), took });
        outcome
    }

    /// Sends one request with another intent under the key of a created order. It must not create
    /// an order, and is not added to the log.
    pub async fn misuse(&self, key: &str, intent: Intent) -> Outcome {
        self.ask(key, intent).await.0
    }

    /// The outcome of a request, and its duration. A client whose token has expired logs in again;
    /// if it can't, the outcome is unknown.
    async fn ask(&self, key: &str, intent: Intent) -> (Outcome, Duration) {
        let mut started = Instant::now();
        let mut outcome = self.post(key, intent).await;
        if matches!(outcome, Outcome::Refused { status: 401 }) {
            outcome = match self.user.renew().await {
                Err(_) => {
                    Outcome::Unknown { status: Some(401), order_id: None, retry_after: false }
                }
                Ok(()) => {
                    started = Instant::now();
                    self.post(key, intent).await
                }
            };
        }
        (outcome, started.elapsed())
    }

    async fn post(&self, key: &str, intent: Intent) -> Outcome {
        let order = order_of(intent.product_id, intent.quantity);
        match self.user.order_under(key, &order).send().await {
            Ok(response) => outcome(response).await,
            Err(_) => Outcome::Unknown { status: None, order_id: None, retry_after: false },
        }
    }

    /// Requests the cancel of an order once. Returns whether it was acknowledged; if not, the order
    /// may or may not be cancelled.
    ///
    /// # Errors
    /// When it is refused: a user may cancel each of their orders that was not rejected.
    pub async fn cancel(&self, order_id: &str) -> anyhow::Result<bool> {
        self.log.cancel(order_id, Cancel::Asked);
        let answer = self.user.cancel(order_id).send().await;
        match answer.ok().map(|response| response.status().as_u16()) {
            Some(200) => {
                self.log.cancel(order_id, Cancel::Acked);
                Ok(true)
            }
            Some(401) => {
                // The token has expired. If there is no new one, the next request fails.
                let _renewed = self.user.renew().await;
                Ok(false)
            }
            None | Some(500..) => Ok(false),
            Some(status) => anyhow::bail!("the cancel of {order_id} is answered {status}"),
        }
    }

    /// [`Rig::create`], which also returns whether the order was created with its half message,
    /// that is, whether create-order ended one meanwhile. No other order may be created at the same
    /// time.
    ///
    /// # Errors
    /// Never in a rig: its system has proxies.
    pub async fn create_with_half(&self, key: &str) -> anyhow::Result<(Outcome, bool)> {
        let relay = self.proxies_of(CREATE_ORDER)?.broker.broker_relay();
        let before = relay.requests(code::END_TRANSACTION);
        let outcome = self.create(key).await;
        let ended = relay.requests(code::END_TRANSACTION) > before;
        let created = outcome.acked().is_some();
        Ok((outcome, created && ended))
    }

    /// Retries under a key until there is a definite answer, as a careful client does.
    ///
    /// # Errors
    /// When there is no definite answer for too long.
    pub async fn until_known(&self, key: &str) -> anyhow::Result<Outcome> {
        eventually(&format!("the request {key} is settled"), async || {
            let outcome = self.create(key).await;
            Ok((!outcome.is_unknown()).then_some(outcome))
        })
        .await
    }

    /// [`Rig::until_known`] for an order that must be created. Returns its `order_id`.
    ///
    /// # Errors
    /// When there is no definite answer for too long, or it is a refusal.
    pub async fn settle(&self, key: &str) -> anyhow::Result<String> {
        match self.until_known(key).await? {
            Outcome::Acked { order_id, .. } => Ok(order_id),
            refused => anyhow::bail!("{key} is answered {refused:?}"),
        }
    }

    /// Of the one instance of a function that is handling a request.
    ///
    /// # Errors
    /// When no or several instances have one: a signal would hit the wrong process.
    pub fn busy_instance(&self, function: &str) -> anyhow::Result<u32> {
        let instances = self.system.host.instances(function)?;
        let mut busy = instances.iter().filter(|instance| instance.busy);
        match (busy.next(), busy.next()) {
            (Some(instance), None) => Ok(instance.pid),
            (found, _) => anyhow::bail!(
                "{} instances of {function} are busy, and exactly one must be",
                if found.is_some() { "several" } else { "no" }
            ),
        }
    }

    /// Returns the process id.
    ///
    /// # Errors
    /// As [`Rig::busy_instance`].
    pub fn signal(&self, function: &str, signal: Signal) -> anyhow::Result<u32> {
        let pid = self.busy_instance(function)?;
        self.system.host.signal_instance(function, pid, signal)?;
        Ok(pid)
    }

    /// The function's next request is then a cold start. Returns once all instances are gone.
    ///
    /// # Errors
    /// When there is no such function.
    pub async fn kill_all(&self, function: &str) -> anyhow::Result<()> {
        eventually(&format!("every {function} is dead"), async || {
            let instances = self.system.host.instances(function)?;
            for instance in &instances {
                self.system.host.kill_instance(function, instance.pid)?;
            }
            Ok(instances.is_empty().then_some(()))
        })
        .await
    }

    /// Returns once it is gone.
    ///
    /// # Errors
    /// As [`Rig::busy_instance`].
    pub async fn kill(&self, function: &str) -> anyhow::Result<()> {
        let pid = self.signal(function, Signal::SIGKILL)?;
        eventually(&format!("{function} {pid} is dead"), async || {
            let instances = self.system.host.instances(function)?;
            Ok(instances.iter().all(|instance| instance.pid != pid).then_some(()))
        })
        .await
    }
}

/// All orders of a rig are the demo user's.
#[derive(Debug, Clone, Copy)]
pub struct OrderKey {
    pub user_id: UserId,
    pub order_id: OrderId,
}

impl From<OrderKey> for AggregateKey {
    fn from(OrderKey { user_id, order_id }: OrderKey) -> Self {
        Self::Order { user_id, order_id }
    }
}

/// # Errors
/// When the text is not an `order_id`.
pub fn order_key(order_id: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { user_id: UserId::new(DEMO_USER_ID)?, order_id: order_id.parse()? })
}

async fn outcome(response: reqwest::Response) -> Outcome {
    let status = response.status().as_u16();
    let retry_after = response.headers().contains_key("retry-after");
    let replayed = response.headers().contains_key("idempotency-replayed");
    let body = response.bytes().await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let order_id = body.get("order_id").and_then(Value::as_str).map(ToOwned::to_owned);
    match (status, order_id) {
        (201, Some(order_id)) => Outcome::Acked { order_id, replayed },
        (400..=499, _) => Outcome::Refused { status },
        (_, order_id) => Outcome::Unknown { status: Some(status), order_id, retry_after },
    }
}
