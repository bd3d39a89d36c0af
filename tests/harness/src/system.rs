//! All parts together: broker, table, functions, gateway and schedules.

mod between;
mod options;
mod ready;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use local_lambda::{
    Children, FileSink, Gateway, HostOptions, LambdaHost, LogSink, ProcessObserver, Schedules,
    Template,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use between::Between;
pub use options::{Progress, SystemOptions};

use crate::broker::{self, Replication, Rocketmq, RocketmqOptions};
use crate::mailbox;
use crate::provision::{self, Endpoints, Names};
use crate::proxies::Proxies;
use crate::skew;
use crate::table::EmbeddedTable;
use crate::table_proxy::TableProxy;
use crate::weather::Weather;

/// A running system. [`System::stop`] ends it gracefully; dropping it ends it immediately.
pub struct System {
    /// Such as `http://127.0.0.1:8000`.
    pub api_url: String,
    pub endpoints: Endpoints,
    pub names: Names,
    pub template: Template,
    pub host: LambdaHost,
    /// `None` if this system uses another cluster.
    pub broker: Option<Rocketmq>,
    /// Set if [`SystemOptions::proxies`] is.
    pub proxies: Option<Proxies>,
    /// Between the functions and the table, if [`SystemOptions::weather`] is set. It counts the
    /// functions' capacity units.
    pub weather: Option<Arc<Weather>>,
    /// Passes all functions' calls through the weather, if they have no proxies. A test can watch
    /// the calls here.
    pub weather_proxy: Option<TableProxy>,
    gateway: Gateway,
    schedules: Option<Schedules>,
    table: Option<EmbeddedTable>,
    children: Children,
    /// Deleted with the system; `None` if the caller gave a data folder.
    temporary: Option<TempDir>,
}

impl System {
    /// Starts everything and returns once the API can create orders.
    ///
    /// Dropping the future before it is done ends what has started.
    ///
    /// # Errors
    /// When a prerequisite is missing, a port is in use or a part does not start. Each error says
    /// what to do.
    pub async fn start(options: SystemOptions) -> anyhow::Result<Self> {
        // The API's port first: if it is in use, the error comes before anything slow has begun.
        let (address, port) = (options.api_address, options.api_port);
        let door = TcpListener::bind((address, port))
            .await
            .map_err(|error| broker::cannot_listen(address, port, "--port", &error))?;
        let api_url = format!("http://{}", door.local_addr()?);
        let children = Children::new().context("/bin/sh cannot be started")?;
        let (data, temporary) = data_folder(options.data.as_deref())?;

        (options.progress)("starting the table");
        let (table, table_url) = start_table(&options, &data).await?;
        let (broker, namesrv) = start_broker(&options, &data, &children).await?;

        let mut template = load_template(&options, &namesrv, &data, door.local_addr()?.port())?;
        for function in &mut template.functions {
            if let Some(timeout) = options.timeouts.get(&function.name) {
                function.timeout = *timeout;
            }
        }
        let names = Names::of(&template)?;
        let endpoints = Endpoints { namesrv, table_url, data, access: options.access.clone() };
        (options.progress)("creating tables, topics and demo data");
        provision::provision(&endpoints, &names).await?;

        let between = Between::start(&options, &template, &endpoints).await?;
        let host_options = host_options(&options, &endpoints, &between, &api_url)?;
        let host = LambdaHost::start(&template.functions, host_options, &children)?;
        let gateway = Gateway::start(door, &template.functions, &host, options.pages)?;
        let schedules = options.schedules.then(|| Schedules::start(&template.functions, &host));
        let system = Self {
            api_url,
            endpoints,
            names,
            template,
            host,
            broker,
            proxies: between.proxies,
            weather: between.weather,
            weather_proxy: between.weather_proxy,
            gateway,
            schedules,
            table,
            children,
            temporary,
        };
        (options.progress)("waiting until the API can create orders");
        ready::wait(&system.api_url, &options.headers)
            .await
            .map_err(|error| ready::with_last_lines(&error, &system.endpoints.data))?;
        Ok(system)
    }

    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.children.pids()
    }

    /// Ends everything in this order: schedules, gateway, functions, broker, table.
    pub async fn stop(self) {
        if let Some(schedules) = &self.schedules {
            schedules.stop();
        }
        self.gateway.stop();
        self.host.stop().await;
        match self.broker {
            // Its store is deleted with the temporary folder.
            Some(broker) if self.temporary.is_some() => broker.kill().await,
            Some(broker) => broker.stop().await,
            None => {}
        }
        if let Some(table) = self.table {
            table.stop().await;
        }
        self.children.kill_all();
    }
}

/// The folder for state, as an absolute path, because child processes have other working folders.
fn data_folder(given: Option<&Path>) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    let Some(folder) = given else {
        let temporary = tempfile::Builder::new().prefix("orders-").tempdir()?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| folder.canonicalize())
        .map(|folder| (folder, None))
        .with_context(|| format!("cannot use the data folder {}", folder.display()))
}

async fn start_table(
    options: &SystemOptions,
    data: &Path,
) -> anyhow::Result<(Option<EmbeddedTable>, String)> {
    if let Some(url) = &options.table {
        return Ok((None, url.trim_end_matches('/').to_owned()));
    }
    let file = options.data.is_some().then(|| data.join("table.db"));
    let table = EmbeddedTable::start(options.table_port, file.as_deref()).await?;
    let url = table.url();
    Ok((Some(table), url))
}

async fn start_broker(
    options: &SystemOptions,
    data: &Path,
    children: &Children,
) -> anyhow::Result<(Option<Rocketmq>, String)> {
    if let Some(namesrv) = &options.namesrv {
        return Ok((None, namesrv.clone()));
    }
    broker::check_java().await?;
    if !broker::is_fetched(&options.target) {
        (options.progress)("fetching Apache RocketMQ, about 90 MB, once");
    }
    let jars = broker::ensure_jars(&options.target).await?;
    (options.progress)("starting Apache RocketMQ");
    let cluster = RocketmqOptions {
        jars,
        data: data.join("rocketmq"),
        namesrv_port: options.namesrv_port,
        broker_port: options.broker_port,
        tuning: options.tuning,
        security: None,
        replication: Replication::None,
    };
    let cluster = Rocketmq::start(cluster, children).await?;
    let namesrv = cluster.namesrv();
    Ok((Some(cluster), namesrv))
}

fn load_template(
    options: &SystemOptions,
    namesrv: &str,
    data: &Path,
    api_port: u16,
) -> anyhow::Result<Template> {
    let mut parameters = options.parameters.clone();
    let signing_key = provision::signing_key_file(data).display().to_string();
    parameters.insert("SigningKeyFile".to_owned(), signing_key);
    parameters.insert("RocketmqNamesrvAddr".to_owned(), namesrv.to_owned());
    if parameters.contains_key("MailSender") {
        let link_base = format!("http://127.0.0.1:{api_port}{}", mailbox::LINK_PATH);
        parameters.entry("MailLinkBase".to_owned()).or_insert(link_base);
    }
    Ok(Template::load(&options.template, &options.stack_name, &parameters)?)
}

fn host_options(
    options: &SystemOptions,
    endpoints: &Endpoints,
    between: &Between,
    api_url: &str,
) -> anyhow::Result<HostOptions> {
    let mut environment = options.environment.clone();
    environment.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), between.table_url(endpoints));
    // Without a mailbox among the pages, nothing answers there, and no function has a sender.
    environment.insert("AWS_ENDPOINT_URL_SESV2".to_owned(), api_url.to_owned());
    let mut function_environment: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let before = &options.namesrv_before;
    let proxied = between.proxies.as_ref().map(|proxies| proxies.environment(before));
    let proxied = proxied.unwrap_or_default();
    for (function, variables) in proxied.iter().chain(&options.function_environment) {
        let target = function_environment.entry(function.clone()).or_default();
        target.extend(variables.clone());
    }
    let offset_ms = |(name, variables): (&String, _)| (name.clone(), skew::offset_ms(variables));
    let clock_offsets_ms = function_environment.iter().map(offset_ms).collect();
    let sink: Arc<dyn LogSink> = match &options.sink {
        Some(sink) => sink.clone(),
        None => Arc::new(FileSink::append(&endpoints.data.join(ready::LOG_FILE))?),
    };
    Ok(HostOptions {
        binaries: options.binaries.clone(),
        temporary: endpoints.data.clone(),
        stand_ins: options.stand_ins.clone(),
        freeze: options.freeze,
        instances_max: options.instances_max,
        environment,
        function_environment,
        clock_offsets_ms,
        sink,
        observer: options.observer.clone().map(|observer| observer as Arc<dyn ProcessObserver>),
    })
}
