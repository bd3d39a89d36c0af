//! A real Apache RocketMQ: name server and broker as child processes.
//!
//! Maven downloads the jars into a cache folder (`fetch`), the settings are written to the data
//! folder (`settings`), the Java processes run under [`Children`] (`java`), and the broker counts
//! as started once the name server lists it (`listing`).

mod disk;
mod fetch;
mod java;
mod listing;
mod mqadmin;
mod ports;
mod proxy;
mod security;
mod settings;
mod shadow;
mod torn;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

pub use fetch::{ROCKETMQ_VERSION, ensure_jars, is_fetched};
pub use java::{check_java, check_maven};
pub use listing::{
    BrokerPermission, broker_address, broker_addresses, cluster_info, in_sync_replicas,
    master_address, permit,
};
pub use mqadmin::Mqadmin;
pub(crate) use ports::cannot_listen;
pub use ports::{check_broker_port, check_free, free_port};
pub use proxy::{RocketmqProxy, is_proxy_fetched};
pub use security::{BrokerSecurity, ClusterAccess, strange_authority};
use settings::Role;
pub use settings::{Flush, WhenFull};

use local_lambda::Children;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

pub(crate) use java::JavaProcess;
use java::PortTaken;
use ports::BrokerPorts;

/// How long the name server may take to answer on a slow machine.
const NAMESRV_LIMIT: Duration = Duration::from_secs(60);
/// How long the broker may take to register on a slow machine.
const BROKER_LIMIT: Duration = Duration::from_secs(180);
/// How long each process may take to end before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The servers' logs, below the data folder.
const NAMESRV_LOG: &str = "logs/rocketmqlogs/namesrv.log";
const BROKER_LOG: &str = "logs/rocketmqlogs/broker.log";
const TRANSACTION_LOG: &str = "logs/rocketmqlogs/transaction.log";

/// Where a broker keeps half messages, in one queue (`TransactionalMessageUtil.java`).
pub const HALF_MESSAGES: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// The `brokerName` of the first broker and its replica.
pub const BROKER: &str = "broker-a";
/// The `brokerName` of the second broker.
pub const SECOND_BROKER: &str = "broker-b";
/// The folder of the first broker's replica, below the data folder.
const REPLICA_FOLDER: &str = "replica";
/// How often other free ports are tried after another process has taken one.
const PORT_TRIES: u32 = 3;

#[derive(Debug, Clone)]
pub struct RocketmqOptions {
    /// The folder with the jars, from [`ensure_jars`].
    pub jars: PathBuf,
    /// The folder for stores, settings and logs. If it is kept, the next run uses its state.
    pub data: PathBuf,
    /// The name server's port; 0 for a free one.
    pub namesrv_port: u16,
    /// The broker's port; the broker also listens on the port two below it. 0 for free ports.
    pub broker_port: u16,
    pub tuning: BrokerTuning,
    /// TLS and the first user; `None` for plain text without authentication.
    pub security: Option<BrokerSecurity>,
    pub replication: Replication,
}

/// Whether a broker has a replica, and what becomes of it without its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    None,
    /// In sync. It stays a replica: `SYNC_MASTER` with `inSyncReplicas=2`.
    Static,
    /// In sync. It becomes the master when its master dies: RocketMQ's controller, in the name
    /// server.
    Controller,
}

/// The broker's settings for messages and transactions. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerTuning {
    pub flush: Flush,
    /// The age at which a half message is checked first, unless the message has its own setting.
    pub transaction_timeout_ms: u32,
    /// The time between two rounds of checks. At least 3 s: the broker batches its records of ended
    /// transactions for that long, and would check and duplicate messages that have ended.
    pub check_interval_ms: u32,
    /// The number of rounds after which the broker discards a half message.
    pub check_max: u32,
    pub message_index: bool,
    /// Whether a broker that was killed makes its whole index anew, and not only for the messages of
    /// its newest files.
    pub whole_index: bool,
    /// How often the broker records from where its queues are to be made anew after it was killed.
    pub checkpoint_every_ms: u32,
    /// Whether a broker that was killed takes back only messages that are stored whole. Otherwise it
    /// compares the checksum of their bodies alone.
    pub whole_messages: bool,
    /// What the broker does with its oldest messages when its disk is nearly full.
    pub when_full: WhenFull,
    pub disk: Disk,
    /// Whether the broker ends after a minute or so. Then Java's second compiler would take more
    /// processor time than it saves.
    pub short_lived: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Real,
    /// A copy of the flushed data is kept, so that [`Rocketmq::cut_power`] can remove the rest.
    LosesPower,
    /// The broker sees a disk as full as [`Rocketmq::fill_disk`] says, at first half full.
    Fills,
}

impl BrokerTuning {
    /// For a local cluster: 90 checks, one every 5 s, which is the same 450 s as RocketMQ's
    /// defaults of 15 checks every 30 s. Messages are acknowledged before they are on disk.
    pub const LOCAL: Self = Self {
        flush: Flush::Async,
        transaction_timeout_ms: 6_000,
        check_interval_ms: 5_000,
        check_max: 90,
        message_index: true,
        whole_index: true,
        checkpoint_every_ms: 60_000,
        whole_messages: true,
        when_full: WhenFull::Refuse,
        disk: Disk::Real,
        short_lived: false,
    };
}

/// A running cluster of one name server and one or two brokers; all end when this is dropped.
pub struct Rocketmq {
    options: RocketmqOptions,
    children: Children,
    namesrv_port: u16,
    controller_port: Option<u16>,
    /// `None` while a test has stopped it.
    namesrv: Option<JavaProcess>,
    // Boxed, because rows and systems hold clusters in their futures.
    broker: Box<Broker>,
    replica: Option<Box<Broker>>,
    second: Option<Box<Broker>>,
}

struct Broker {
    name: &'static str,
    role: Role,
    options: RocketmqOptions,
    ports: BrokerPorts,
    /// `None` while a test has stopped it.
    process: Option<JavaProcess>,
}

impl Broker {
    async fn start(
        name: &'static str,
        role: Role,
        options: RocketmqOptions,
        namesrv_port: u16,
        children: &Children,
    ) -> anyhow::Result<Box<Self>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let ports = BrokerPorts::choose(options.broker_port)?;
            let mut broker = Self { name, role, options: options.clone(), ports, process: None };
            match broker.run(namesrv_port, children).await {
                Ok(()) => return Ok(Box::new(broker)),
                Err(error)
                    if options.broker_port == 0
                        && tries < PORT_TRIES
                        && error.is::<PortTaken>() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts the broker on its ports and its store, and returns once it is registered.
    async fn run(&mut self, namesrv_port: u16, children: &Children) -> anyhow::Result<()> {
        self.stop().await;
        let Self { name, role, options, ports, .. } = self;
        let config = settings::broker(options, name, namesrv_port, *ports, *role).await?;
        let mut command = java::broker_command(options, &config).await?;
        if options.tuning.disk != Disk::Fills {
            disk::check(&options.data)?;
        }
        match options.tuning.disk {
            Disk::Real => {}
            Disk::LosesPower => drop(command.envs(shadow::environment(options).await?)),
            Disk::Fills => drop(command.envs(disk::environment(options).await?)),
        }
        let mut process =
            JavaProcess::start("broker", command, &options.data, Some(BROKER_LOG), children)?;
        process.until(BROKER_LIMIT, || is_registered(namesrv_port, ports.listen)).await?;
        self.process = Some(process);
        Ok(())
    }

    async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(STOP_GRACE).await;
        }
    }

    fn address(&self) -> String {
        address(self.ports.listen)
    }
}

impl Rocketmq {
    /// Starts the name server and the broker, and returns once the broker is registered.
    ///
    /// # Errors
    /// When a port is not available (the error names it and its option), or a process ends or is
    /// not ready in time (the error quotes the end of its log).
    pub async fn start(options: RocketmqOptions, children: &Children) -> anyhow::Result<Self> {
        tokio::fs::create_dir_all(&options.data)
            .await
            .with_context(|| format!("cannot create the data folder {}", options.data.display()))?;
        let controller_port = match options.replication {
            Replication::Controller => Some(free_port()?),
            Replication::None | Replication::Static => None,
        };
        let (namesrv_port, namesrv) = start_namesrv(&options, controller_port, children).await?;
        let role = match (options.replication, controller_port) {
            (Replication::Static, _) => Role::Master,
            (_, Some(port)) => Role::Controlled(port),
            (_, None) => Role::Alone,
        };
        let first = Broker::start(BROKER, role, options.clone(), namesrv_port, children);
        let broker = match first.await {
            Ok(broker) => broker,
            Err(error) => {
                namesrv.stop(STOP_GRACE).await;
                return Err(error);
            }
        };
        let mut cluster = Self {
            options,
            children: children.clone(),
            namesrv_port,
            controller_port,
            namesrv: Some(namesrv),
            broker,
            replica: None,
            second: None,
        };
        let of_replica = match role {
            Role::Alone => None,
            Role::Controlled(_) => Some(role),
            Role::Master | Role::Replica => Some(Role::Replica),
        };
        if let Some(role) = of_replica {
            cluster.add_replica(role).await?;
        }
        Ok(cluster)
    }

    async fn add_replica(&mut self, role: Role) -> anyhow::Result<()> {
        let data = self.options.data.join(REPLICA_FOLDER);
        tokio::fs::create_dir_all(&data).await?;
        let options = RocketmqOptions { data, broker_port: 0, ..self.options.clone() };
        let replica = Broker::start(BROKER, role, options, self.namesrv_port, &self.children);
        self.replica = Some(replica.await?);
        Ok(())
    }

    #[must_use]
    pub fn controller(&self) -> Option<String> {
        self.controller_port.map(address)
    }

    pub async fn kill_replica(&mut self) {
        if let Some(replica) = &mut self.replica {
            replica.kill().await;
        }
    }

    /// Uses the same ports and store.
    ///
    /// # Errors
    /// The same as of [`Rocketmq::start`].
    pub async fn restart_replica(&mut self) -> anyhow::Result<()> {
        match &mut self.replica {
            Some(replica) => replica.run(self.namesrv_port, &self.children).await,
            None => anyhow::bail!("the broker has no replica"),
        }
    }

    /// Starts a second broker with its own store, and returns once it is registered.
    ///
    /// # Errors
    /// The same as of [`Rocketmq::start`].
    pub async fn add_broker(&mut self) -> anyhow::Result<()> {
        let data = self.options.data.join(SECOND_BROKER);
        tokio::fs::create_dir_all(&data).await?;
        let options = RocketmqOptions { data, broker_port: 0, ..self.options.clone() };
        let (port, children) = (self.namesrv_port, &self.children);
        let second = Broker::start(SECOND_BROKER, Role::Alone, options, port, children);
        self.second = Some(second.await?);
        Ok(())
    }

    /// The second broker's address, `host:port`, if [`Rocketmq::add_broker`] has started it.
    #[must_use]
    pub fn second_broker(&self) -> Option<String> {
        self.second.as_deref().map(Broker::address)
    }

    pub async fn kill_second_broker(&mut self) {
        if let Some(second) = &mut self.second {
            second.kill().await;
        }
    }

    /// Uses the same ports and store.
    ///
    /// # Errors
    /// The same as of [`Rocketmq::start`].
    pub async fn restart_second_broker(&mut self) -> anyhow::Result<()> {
        match &mut self.second {
            Some(second) => second.run(self.namesrv_port, &self.children).await,
            None => anyhow::bail!("no second broker was started"),
        }
    }

    /// The name server's address, such as `127.0.0.1:9876`.
    #[must_use]
    pub fn namesrv(&self) -> String {
        address(self.namesrv_port)
    }

    /// The broker's address, such as `127.0.0.1:10911`, whether or not it is running.
    #[must_use]
    pub fn broker(&self) -> String {
        self.broker.address()
    }

    /// The PEM file of the authority that signed the cluster's certificate, if the cluster uses
    /// TLS.
    #[must_use]
    pub fn authority(&self) -> Option<PathBuf> {
        self.options.security.as_ref().map(|_| security::authority(&self.options))
    }

    /// If the cluster requires TLS and signed requests.
    #[must_use]
    pub fn access(&self) -> Option<ClusterAccess> {
        ClusterAccess::to(&self.options)
    }

    #[must_use]
    pub fn broker_pid(&self) -> Option<u32> {
        self.broker.process.as_ref().map(JavaProcess::pid)
    }

    /// Sends a signal to the broker, such as SIGSTOP. Does nothing while it is not running.
    pub fn signal_broker(&self, signal: Signal) {
        if let Some(pid) = self.broker_pid().and_then(|pid| i32::try_from(pid).ok()) {
            // A process that has just ended can't be signalled.
            let _gone = nix::sys::signal::kill(Pid::from_raw(pid), signal);
        }
    }

    /// Takes effect at the broker's next start.
    pub const fn tune(&mut self, tuning: BrokerTuning) {
        self.broker.options.tuning = tuning;
    }

    pub async fn kill_broker(&mut self) {
        self.broker.kill().await;
    }

    /// Stops the broker gracefully; the name server keeps running.
    pub async fn stop_broker(&mut self) {
        self.broker.stop().await;
    }

    /// Kills the broker and deletes its store, like the loss of a disk: its topics and groups are
    /// deleted with its messages.
    ///
    /// # Errors
    /// When the store cannot be deleted.
    pub async fn lose_store(&mut self) -> anyhow::Result<()> {
        self.broker.kill().await;
        let store = settings::store(&self.broker.options);
        tokio::fs::remove_dir_all(&store)
            .await
            .with_context(|| format!("cannot delete {}", store.display()))
    }

    /// Kills the broker as if it was storing another half message like the newest one: half of its
    /// properties are missing.
    ///
    /// # Errors
    /// When there is no half message, or the commit log cannot be read or written.
    pub async fn store_torn_half(&mut self) -> anyhow::Result<()> {
        self.broker.kill().await;
        let store = settings::store(&self.broker.options);
        torn::append_torn(&store.join("commitlog"), HALF_MESSAGES)
    }

    /// The broker's log of transactions since it was last rolled over.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn transaction_log(&self) -> anyhow::Result<String> {
        let log = self.broker.options.data.join(TRANSACTION_LOG);
        tokio::fs::read_to_string(&log)
            .await
            .with_context(|| format!("cannot read {}", log.display()))
    }

    /// Kills the broker and removes the data that it has not flushed, like a power cut.
    ///
    /// # Errors
    /// When its disk is not [`Disk::LosesPower`], or files cannot be moved.
    pub async fn cut_power(&mut self) -> anyhow::Result<()> {
        self.broker.kill().await;
        shadow::put_in_place(&self.broker.options).await
    }

    /// Makes the broker see a disk that is full by a percentage, within 10 s.
    ///
    /// # Errors
    /// When its disk is not [`Disk::Fills`], or the percentage cannot be written.
    pub async fn fill_disk(&self, percent: u8) -> anyhow::Result<()> {
        let options = &self.broker.options;
        anyhow::ensure!(options.tuning.disk == Disk::Fills, "the broker sees its real disk");
        disk::fill(options, percent).await
    }

    /// Uses the same ports and store.
    ///
    /// # Errors
    /// The same as of [`Rocketmq::start`].
    pub async fn restart_broker(&mut self) -> anyhow::Result<()> {
        self.broker.run(self.namesrv_port, &self.children).await
    }

    /// Kills the name server with SIGKILL. Its only state, the brokers' registrations, is in
    /// memory.
    pub async fn kill_namesrv(&mut self) {
        if let Some(namesrv) = self.namesrv.take() {
            namesrv.kill().await;
        }
    }

    /// Starts the name server again on the same port, and returns once the broker has registered,
    /// which it does every 30 s (`BrokerConfig.registerNameServerPeriod`).
    ///
    /// # Errors
    /// The same as of [`Rocketmq::start`].
    pub async fn restart_namesrv(&mut self) -> anyhow::Result<()> {
        self.kill_namesrv().await;
        let (port, broker) = (self.namesrv_port, self.broker.ports.listen);
        let controller = self.controller_port;
        let mut namesrv = run_namesrv(&self.options, port, controller, &self.children).await?;
        namesrv.until(BROKER_LIMIT, || is_registered(port, broker)).await?;
        self.namesrv = Some(namesrv);
        Ok(())
    }

    /// Kills all servers immediately, for a cluster whose data is not needed any more.
    pub async fn kill(mut self) {
        self.kill_second_broker().await;
        self.kill_replica().await;
        self.kill_broker().await;
        self.kill_namesrv().await;
    }

    /// Stops all servers gracefully, which takes several seconds. The broker stops first, so that
    /// it can unregister from the name server.
    pub async fn stop(mut self) {
        if let Some(second) = &mut self.second {
            second.stop().await;
        }
        if let Some(replica) = &mut self.replica {
            replica.stop().await;
        }
        self.stop_broker().await;
        if let Some(namesrv) = self.namesrv {
            namesrv.stop(STOP_GRACE).await;
        }
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

async fn start_namesrv(
    options: &RocketmqOptions,
    controller_port: Option<u16>,
    children: &Children,
) -> anyhow::Result<(u16, JavaProcess)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = ports::one(options.namesrv_port, "--namesrv-port")?;
        match run_namesrv(options, port, controller_port, children).await {
            Ok(process) => return Ok((port, process)),
            Err(error)
                if options.namesrv_port == 0 && tries < PORT_TRIES && error.is::<PortTaken>() => {}
            Err(error) => return Err(error),
        }
    }
}

async fn run_namesrv(
    options: &RocketmqOptions,
    port: u16,
    controller_port: Option<u16>,
    children: &Children,
) -> anyhow::Result<JavaProcess> {
    let config = settings::namesrv(options, port, controller_port).await?;
    let command = java::namesrv_command(options, &config).await?;
    let mut process =
        JavaProcess::start("name server", command, &options.data, Some(NAMESRV_LOG), children)?;
    let answers = || async move { listing::cluster_info(&address(port)).await.is_ok() };
    process.until(NAMESRV_LIMIT, answers).await?;
    Ok(process)
}

/// Whether the name server lists the broker and its port answers. A killed broker stays in the list
/// for a while.
async fn is_registered(namesrv_port: u16, broker_port: u16) -> bool {
    let broker = address(broker_port);
    // The list is not valid JSON (its keys are bare numbers), so it is searched as text.
    let listed = listing::cluster_info(&address(namesrv_port))
        .await
        .is_ok_and(|list| list.contains(&format!("\"{broker}\"")));
    listed && tokio::net::TcpStream::connect(broker).await.is_ok()
}
