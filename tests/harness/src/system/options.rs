//! How a system is put together.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::broker::BrokerTuning;
use crate::entropy;
use crate::host::LogSink;
use crate::weather::WeatherSettings;

/// Told what happens next, in words for a person.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// How a system is put together. Start from [`SystemOptions::isolated`] and change what differs.
#[derive(Clone)]
pub struct SystemOptions {
    /// The template.
    pub template: PathBuf,
    /// The folder with the functions' binaries; building them is the caller's business.
    pub binaries: PathBuf,
    /// Cargo's target folder, which caches the broker's jars.
    pub target: PathBuf,
    /// The stack's name: tables and groups begin with it, so that systems on one cluster and one
    /// table never meet.
    pub stack_name: String,
    /// Template parameters in place of their defaults; the name server's address is set anyway.
    pub parameters: BTreeMap<String, String>,
    /// The folder for state; None for a temporary one and a table in memory.
    pub data: Option<PathBuf>,
    /// The address that the API listens on. Everything else listens on the loopback interface.
    pub api_address: Ipv4Addr,
    /// The API's port; 0 for a free one.
    pub api_port: u16,
    /// The embedded table's port; 0 for a free one.
    pub table_port: u16,
    /// The name server's port; 0 for a free one.
    pub namesrv_port: u16,
    /// The broker's port; 0 for a free one.
    pub broker_port: u16,
    /// A running cluster to use instead of starting one.
    pub namesrv: Option<String>,
    /// Addresses, `host:port`, that functions behind proxies get as name servers before the real one:
    /// of servers that refuse, or never answer.
    pub namesrv_before: Vec<String>,
    /// A running DynamoDB to use instead of the embedded one.
    pub table: Option<String>,
    /// How a broker that is started here treats messages and transactions.
    pub tuning: BrokerTuning,
    /// Whether each function reaches table and cluster through proxies of its own.
    pub proxies: bool,
    /// The weather between the functions and the table; None for the table as it is. What is
    /// provisioned, and what a test does with the table itself, goes around it.
    pub weather: Option<WeatherSettings>,
    /// Programs to run in place of functions' own binaries.
    pub stand_ins: BTreeMap<String, PathBuf>,
    /// Time-outs of single functions in place of the template's.
    pub timeouts: BTreeMap<String, Duration>,
    /// Whether instances are frozen between requests.
    pub freeze: bool,
    /// Whether the template's schedules run.
    pub schedules: bool,
    /// The most instances of one function at a time.
    pub instances_max: usize,
    /// Variables for all functions, beside and above the template's.
    pub environment: BTreeMap<String, String>,
    /// Variables for single functions by name, above all others.
    pub function_environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Where the functions' output goes; None for a file in the data folder.
    pub sink: Option<Arc<dyn LogSink>>,
    /// Told of each step.
    pub progress: Progress,
}

impl SystemOptions {
    /// A system that meets no other: free ports, a name of its own, nothing kept, schedules and
    /// freezing as on AWS. `root` is the workspace's folder; the binaries are looked for where the
    /// running program was built.
    ///
    /// # Errors
    /// When the running program's folder is unknown.
    pub fn isolated(root: &Path) -> anyhow::Result<Self> {
        let binaries = binaries()?;
        let target = binaries.parent().unwrap_or(&binaries).to_owned();
        let stack_name = format!("orders-{}", entropy::suffix());
        let parameters = BTreeMap::from([
            ("RocketmqTopic".to_owned(), format!("ORDER_EVENTS-{stack_name}")),
            ("RocketmqUserTopic".to_owned(), format!("USER_EVENTS-{stack_name}")),
        ]);
        Ok(Self {
            template: root.join("template.yaml"),
            binaries,
            target,
            stack_name,
            parameters,
            data: None,
            api_address: Ipv4Addr::LOCALHOST,
            api_port: 0,
            table_port: 0,
            namesrv_port: 0,
            broker_port: 0,
            namesrv: None,
            namesrv_before: Vec::new(),
            table: None,
            tuning: BrokerTuning::LOCAL,
            proxies: false,
            weather: None,
            stand_ins: BTreeMap::new(),
            timeouts: BTreeMap::new(),
            freeze: true,
            schedules: true,
            instances_max: 16,
            environment: BTreeMap::new(),
            function_environment: BTreeMap::new(),
            sink: None,
            progress: Arc::new(|step| tracing::info!(step)),
        })
    }
}

/// `target/debug` for a program in `target/debug` and for a test in `target/debug/deps`.
fn binaries() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's folder is unknown")?;
    let folder = program.parent().context("this program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}
