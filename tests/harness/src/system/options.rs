use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::HeaderMap;
use local_lambda::LogSink;

use crate::broker::{BrokerTuning, ClusterAccess};
use crate::observer::Observer;
use crate::weather::WeatherSettings;

/// The template's parameters of the topics' names.
const TOPIC: &str = "RocketmqTopic";
const USER_TOPIC: &str = "RocketmqUserTopic";

/// The template's most. The demo user orders more than any other user: with the default, some
/// 2,500 orders of `up` would be all.
const OPEN_UNITS_MAX: &str = "1000000000";

/// Receives the name of each step, for a person to read.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// Start from [`SystemOptions::isolated`] and change what differs.
#[derive(Clone)]
pub struct SystemOptions {
    pub template: PathBuf,
    /// The folder with the functions' binaries, which the caller has built.
    pub binaries: PathBuf,
    /// Cargo's target folder, in which the broker's jars are cached.
    pub target: PathBuf,
    /// The prefix of tables and groups, which keeps systems apart on one cluster and one DynamoDB.
    pub stack_name: String,
    /// Template parameters that override their defaults. The system itself sets the name server's
    /// address.
    pub parameters: BTreeMap<String, String>,
    /// The folder for state; `None` for a temporary folder and a table in memory.
    pub data: Option<PathBuf>,
    /// Only the API listens here. Everything else listens on the loopback interface.
    pub api_address: Ipv4Addr,
    /// 0 for a free port.
    pub api_port: u16,
    /// 0 for a free port.
    pub table_port: u16,
    /// 0 for a free port.
    pub namesrv_port: u16,
    /// 0 for a free port.
    pub broker_port: u16,
    /// A running cluster to use instead of starting one.
    pub namesrv: Option<String>,
    /// How to reach the cluster of `namesrv`, if it requires TLS and signed requests. The
    /// functions' own credentials are variables.
    pub access: Option<ClusterAccess>,
    /// Addresses, `host:port`, that functions behind proxies get as name servers before the real
    /// one, such as servers that refuse or never answer.
    pub namesrv_before: Vec<String>,
    /// A running DynamoDB to use instead of the embedded one.
    pub table: Option<String>,
    /// The settings of a broker that this system starts.
    pub tuning: BrokerTuning,
    /// Whether each function reaches the table and the cluster through its own proxies.
    pub proxies: bool,
    /// Sees the traffic of all functions, which then have proxies, and their processes.
    pub observer: Option<Arc<dyn Observer>>,
    /// Pages that the API's address serves besides the template's routes.
    pub pages: Option<axum::Router>,
    /// The weather between the functions and the table; `None` for the plain table. Provisioning
    /// and the test's own calls to the table bypass it.
    pub weather: Option<WeatherSettings>,
    /// Programs to run instead of functions' binaries, by the functions' names.
    pub stand_ins: BTreeMap<String, PathBuf>,
    /// Timeouts of single functions that override the template's.
    pub timeouts: BTreeMap<String, Duration>,
    /// Whether instances are frozen between requests, as on Lambda.
    pub freeze: bool,
    /// Whether the template's schedules run.
    pub schedules: bool,
    /// The most instances of one function at a time.
    pub instances_max: usize,
    /// For all functions. They add to the template's variables and override them.
    pub environment: BTreeMap<String, String>,
    /// By the function's name. They override all others.
    pub function_environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Headers of the system's own requests to its API, such as those that a CDN would add.
    pub headers: HeaderMap,
    /// The destination of the functions' output; `None` for a file in the data folder.
    pub sink: Option<Arc<dyn LogSink>>,
    /// Called with each step of the start.
    pub progress: Progress,
}

impl SystemOptions {
    /// Settings that conflict with no other system: free ports, a unique name, a temporary folder,
    /// and schedules and freezing as on AWS. `root` is the workspace's folder; the binaries are
    /// expected in the folder of the running program.
    ///
    /// # Errors
    /// When the running program's folder is unknown.
    pub fn isolated(root: &Path) -> anyhow::Result<Self> {
        let binaries = binaries()?;
        let target = binaries.parent().unwrap_or(&binaries).to_owned();
        let stack_name = format!("orders-{:08x}", fastrand::u32(..));
        let parameters = BTreeMap::from([
            (TOPIC.to_owned(), format!("ORDER_EVENTS-{stack_name}")),
            (USER_TOPIC.to_owned(), format!("USER_EVENTS-{stack_name}")),
            ("OpenUnitsMax".to_owned(), OPEN_UNITS_MAX.to_owned()),
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
            access: None,
            namesrv_before: Vec::new(),
            table: None,
            tuning: BrokerTuning::LOCAL,
            proxies: false,
            observer: None,
            pages: None,
            weather: None,
            stand_ins: BTreeMap::new(),
            timeouts: BTreeMap::new(),
            freeze: true,
            schedules: true,
            instances_max: 16,
            environment: BTreeMap::new(),
            function_environment: BTreeMap::new(),
            headers: HeaderMap::new(),
            sink: None,
            progress: Arc::new(|step| tracing::info!(step)),
        })
    }

    /// Names the topics as the template does. Only one system on a cluster can.
    pub fn use_topics_of_template(&mut self) {
        for parameter in [TOPIC, USER_TOPIC] {
            self.parameters.remove(parameter);
        }
    }
}

/// `target/debug` for a program in `target/debug` and for a test in `target/debug/deps`.
fn binaries() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's folder is unknown")?;
    let folder = program.parent().context("this program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_the_topics_of_the_template_an_account_still_holds_any_number_of_units() {
        let mut options = SystemOptions::isolated(Path::new("/")).unwrap();
        options.use_topics_of_template();
        let limit = ("OpenUnitsMax".to_owned(), OPEN_UNITS_MAX.to_owned());
        assert_eq!(options.parameters, BTreeMap::from([limit]));
    }
}
