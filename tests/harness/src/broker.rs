//! A real Apache RocketMQ: name server and broker as child processes.
//!
//! The jars come through Maven into a cache folder (`fetch`), the settings into the data folder
//! (`settings`), the Java machines run under [`Children`] (`java`), and the broker counts as
//! started once the name server lists it (`listing`).

mod fetch;
mod java;
mod listing;
mod ports;
mod security;
mod settings;
mod shadow;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

pub use fetch::{ROCKETMQ_VERSION, ensure_jars, is_fetched};
pub use java::{check_java, check_maven};
pub use listing::{broker_address, broker_addresses, cluster_info};
pub(crate) use ports::cannot_listen;
pub use ports::{check_broker_port, check_free, free_port};
pub use security::BrokerSecurity;
pub use settings::Flush;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::process::Children;
pub(crate) use java::JavaProcess;
use java::PortTaken;
use ports::BrokerPorts;

/// How long the name server may take to answer, on a slow machine.
const NAMESRV_LIMIT: Duration = Duration::from_secs(60);
/// How long the broker may take to be registered, on a slow machine.
const BROKER_LIMIT: Duration = Duration::from_secs(180);
/// How long each may take to end before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Their own logs, below the data folder.
const NAMESRV_LOG: &str = "logs/rocketmqlogs/namesrv.log";
const BROKER_LOG: &str = "logs/rocketmqlogs/broker.log";
/// What the brokers are called.
const BROKER: &str = "broker-a";
const SECOND_BROKER: &str = "broker-b";
/// How often free ports are looked for anew when someone else was faster.
const PORT_TRIES: u32 = 3;

/// How to run the cluster.
#[derive(Debug, Clone)]
pub struct RocketmqOptions {
    /// The folder with the jars, from [`ensure_jars`].
    pub jars: PathBuf,
    /// The folder for stores, settings and logs; reused across runs when it is kept.
    pub data: PathBuf,
    /// The name server's port; 0 for a free one.
    pub namesrv_port: u16,
    /// The broker's port; it takes the one two below as well. 0 for free ones.
    pub broker_port: u16,
    /// How the broker treats messages and transactions.
    pub tuning: BrokerTuning,
    /// Whom it lets in; None for everybody, in plain text.
    pub security: Option<BrokerSecurity>,
}

/// How the broker treats messages and transactions. Times are in milliseconds, as in its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerTuning {
    /// Whether an acknowledged message is on the disk.
    pub flush: Flush,
    /// After which time a half message is checked, unless it says otherwise itself.
    pub transaction_timeout_ms: u32,
    /// The time between two rounds of checks. No shorter than the 3 s in which the broker batches
    /// its records of ended transactions, or it checks what has ended and duplicates it.
    pub check_interval_ms: u32,
    /// After how many rounds the broker gives a half message up.
    pub check_max: u32,
    /// Whether the broker keeps an index of messages by key.
    pub message_index: bool,
    /// Whether what it has flushed is followed, so that [`Rocketmq::cut_power`] can take the rest away.
    pub power_can_fail: bool,
}

impl BrokerTuning {
    /// A local cluster's: checks every 5 s and 90 of them, which is the 450 s that RocketMQ's own
    /// defaults of 30 s and 15 make; messages are acknowledged before the disk has them.
    pub const LOCAL: Self = Self {
        flush: Flush::Async,
        transaction_timeout_ms: 6_000,
        check_interval_ms: 5_000,
        check_max: 90,
        message_index: true,
        power_can_fail: false,
    };
}

/// A running cluster of one name server and one broker, or more; all end when this is dropped.
pub struct Rocketmq {
    options: RocketmqOptions,
    children: Children,
    namesrv_port: u16,
    /// None while a test has it down.
    namesrv: Option<JavaProcess>,
    broker: Broker,
    second: Option<Broker>,
}

/// A broker with a store of its own.
struct Broker {
    name: &'static str,
    options: RocketmqOptions,
    ports: BrokerPorts,
    /// None while a test has it down.
    process: Option<JavaProcess>,
}

impl Broker {
    async fn start(
        name: &'static str,
        options: RocketmqOptions,
        namesrv_port: u16,
        children: &Children,
    ) -> anyhow::Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            let ports = BrokerPorts::choose(options.broker_port)?;
            let mut broker = Self { name, options: options.clone(), ports, process: None };
            match broker.run(namesrv_port, children).await {
                Ok(()) => return Ok(broker),
                Err(error)
                    if options.broker_port == 0
                        && tries < PORT_TRIES
                        && error.is::<PortTaken>() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts it on its ports and its store, and returns once it is registered.
    async fn run(&mut self, namesrv_port: u16, children: &Children) -> anyhow::Result<()> {
        self.stop().await;
        let Self { name, options, ports, .. } = self;
        let config = settings::broker(options, name, namesrv_port, *ports).await?;
        let mut command = java::broker_command(options, &config).await?;
        if options.tuning.power_can_fail {
            command.envs(shadow::environment(options).await?);
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
    /// Starts both and returns once the broker is registered.
    ///
    /// # Errors
    /// When a port cannot be listened on (naming it and its option), or a process ends or is not
    /// ready in time (quoting the end of its log).
    pub async fn start(options: RocketmqOptions, children: &Children) -> anyhow::Result<Self> {
        tokio::fs::create_dir_all(&options.data)
            .await
            .with_context(|| format!("cannot create the data folder {}", options.data.display()))?;
        let (namesrv_port, namesrv) = start_namesrv(&options, children).await?;
        let first = Broker::start(BROKER, options.clone(), namesrv_port, children);
        let broker = match first.await {
            Ok(broker) => broker,
            Err(error) => {
                namesrv.stop(STOP_GRACE).await;
                return Err(error);
            }
        };
        let children = children.clone();
        let namesrv = Some(namesrv);
        Ok(Self { options, children, namesrv_port, namesrv, broker, second: None })
    }

    /// Starts another broker beside the first, with a store of its own, and returns once it is
    /// registered.
    ///
    /// # Errors
    /// As [`Rocketmq::start`].
    pub async fn add_broker(&mut self) -> anyhow::Result<()> {
        let data = self.options.data.join(SECOND_BROKER);
        tokio::fs::create_dir_all(&data).await?;
        let options = RocketmqOptions { data, broker_port: 0, ..self.options.clone() };
        let second = Broker::start(SECOND_BROKER, options, self.namesrv_port, &self.children);
        self.second = Some(second.await?);
        Ok(())
    }

    /// The second broker's address, where there is one.
    #[must_use]
    pub fn second_broker(&self) -> Option<String> {
        self.second.as_ref().map(Broker::address)
    }

    /// Kills the second broker as a power cut would.
    pub async fn kill_second_broker(&mut self) {
        if let Some(second) = &mut self.second {
            second.kill().await;
        }
    }

    /// Starts the second broker again on its ports and its store.
    ///
    /// # Errors
    /// As [`Rocketmq::start`].
    pub async fn restart_second_broker(&mut self) -> anyhow::Result<()> {
        match &mut self.second {
            Some(second) => second.run(self.namesrv_port, &self.children).await,
            None => anyhow::bail!("there is no second broker"),
        }
    }

    /// The name server's address, such as `127.0.0.1:9876`.
    #[must_use]
    pub fn namesrv(&self) -> String {
        address(self.namesrv_port)
    }

    /// The broker's address, such as `127.0.0.1:10911`, whether or not it is up.
    #[must_use]
    pub fn broker(&self) -> String {
        self.broker.address()
    }

    /// The certificate of the authority that signed the cluster's, in PEM, where it has one.
    #[must_use]
    pub fn authority(&self) -> Option<PathBuf> {
        self.options.security.as_ref().map(|_| security::authority(&self.options))
    }

    /// The broker's process id, when it is up.
    #[must_use]
    pub fn broker_pid(&self) -> Option<u32> {
        self.broker.process.as_ref().map(JavaProcess::pid)
    }

    /// Sends a signal to the broker, such as SIGSTOP. Nothing happens while it is down.
    pub fn signal_broker(&self, signal: Signal) {
        if let Some(pid) = self.broker_pid().and_then(|pid| i32::try_from(pid).ok()) {
            // A process that has just ended can't be signalled.
            let _gone = nix::sys::signal::kill(Pid::from_raw(pid), signal);
        }
    }

    /// Has the broker started with this tuning from its next start on.
    pub const fn tune(&mut self, tuning: BrokerTuning) {
        self.broker.options.tuning = tuning;
    }

    /// Kills the broker as a power cut would.
    pub async fn kill_broker(&mut self) {
        self.broker.kill().await;
    }

    /// Ends the broker in order; the name server stays.
    pub async fn stop_broker(&mut self) {
        self.broker.stop().await;
    }

    /// Kills the broker and deletes its store, as a disk that is lost does: its topics and groups go
    /// with its messages.
    ///
    /// # Errors
    /// When the store can't be deleted.
    pub async fn lose_store(&mut self) -> anyhow::Result<()> {
        self.broker.kill().await;
        let store = settings::store(&self.broker.options);
        tokio::fs::remove_dir_all(&store)
            .await
            .with_context(|| format!("cannot delete {}", store.display()))
    }

    /// Kills the broker, and takes away what it has stored and not flushed, as a power cut does.
    ///
    /// # Errors
    /// When its tuning has no [`BrokerTuning::power_can_fail`], or files can't be moved.
    pub async fn cut_power(&mut self) -> anyhow::Result<()> {
        self.broker.kill().await;
        shadow::put_in_place(&self.broker.options).await
    }

    /// Starts the broker again on its ports and its store.
    ///
    /// # Errors
    /// As [`Rocketmq::start`].
    pub async fn restart_broker(&mut self) -> anyhow::Result<()> {
        self.broker.run(self.namesrv_port, &self.children).await
    }

    /// Kills the name server as a power cut would. It keeps nothing but the brokers' registrations,
    /// and those in memory.
    pub async fn kill_namesrv(&mut self) {
        if let Some(namesrv) = self.namesrv.take() {
            namesrv.kill().await;
        }
    }

    /// Starts the name server again on its port, and returns once the broker has registered with
    /// it, which it does every 30 s (`BrokerConfig.registerNameServerPeriod`).
    ///
    /// # Errors
    /// As [`Rocketmq::start`].
    pub async fn restart_namesrv(&mut self) -> anyhow::Result<()> {
        self.kill_namesrv().await;
        let (port, broker) = (self.namesrv_port, self.broker.ports.listen);
        let mut namesrv = run_namesrv(&self.options, port, &self.children).await?;
        namesrv.until(BROKER_LIMIT, || is_registered(port, broker)).await?;
        self.namesrv = Some(namesrv);
        Ok(())
    }

    /// Kills both at once, for a cluster whose data nobody will read.
    pub async fn kill(mut self) {
        self.kill_second_broker().await;
        self.kill_broker().await;
        self.kill_namesrv().await;
    }

    /// Ends both in order, which takes several seconds; the broker goes first so that it can take
    /// its leave of the name server.
    pub async fn stop(mut self) {
        if let Some(second) = &mut self.second {
            second.stop().await;
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
    children: &Children,
) -> anyhow::Result<(u16, JavaProcess)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = ports::one(options.namesrv_port, "--namesrv-port")?;
        match run_namesrv(options, port, children).await {
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
    children: &Children,
) -> anyhow::Result<JavaProcess> {
    let config = settings::namesrv(options, port).await?;
    let command = java::namesrv_command(options, &config).await?;
    let mut process =
        JavaProcess::start("name server", command, &options.data, Some(NAMESRV_LOG), children)?;
    let answers = || async move { listing::cluster_info(&address(port)).await.is_ok() };
    process.until(NAMESRV_LIMIT, answers).await?;
    Ok(process)
}

/// Whether the name server has the broker in its list. One that was killed stays there for a while:
/// so its port must answer too.
async fn is_registered(namesrv_port: u16, broker_port: u16) -> bool {
    let broker = address(broker_port);
    // The list is not JSON (its keys are bare numbers), so it is searched as text.
    let listed = listing::cluster_info(&address(namesrv_port))
        .await
        .is_ok_and(|list| list.contains(&format!("\"{broker}\"")));
    listed && tokio::net::TcpStream::connect(broker).await.is_ok()
}
