//! `cargo xtask up`: runs the whole system on this machine.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use harness::broker::{self, RocketmqProxy};
use harness::system::{System, SystemOptions};
use local_lambda::{Children, WriterSink, shutdown_signal};
use pages::Pages;

use crate::{build, workspace};
use harness::progress::Progress;

/// The prefix of the tables and groups of a local system.
pub(crate) const STACK_NAME: &str = "orders-local";

/// Port 0 picks a free one.
#[derive(Args)]
pub(crate) struct Options {
    /// The address that the API listens on: 0.0.0.0 in a container, so that it can be reached from
    /// outside.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    address: Ipv4Addr,
    /// The API's port.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The RocketMQ name server's port.
    #[arg(long, default_value_t = 9876)]
    namesrv_port: u16,
    /// The embedded DynamoDB's port.
    #[arg(long, default_value_t = 8001)]
    table_port: u16,
    /// The RocketMQ broker's port; the broker also uses the port two below it.
    #[arg(long, default_value_t = 10911)]
    broker_port: u16,
    /// Keeps state in this folder across runs; a temporary folder otherwise.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Uses the running cluster behind these name servers instead of starting one.
    #[arg(long, value_name = "ADDR")]
    namesrv: Option<String>,
    /// Uses the running DynamoDB at this endpoint instead of the embedded one.
    #[arg(long, value_name = "URL")]
    table: Option<String>,
    /// Also starts RocketMQ's proxy, through which clients that speak gRPC reach the cluster, such
    /// as those for Python and Node in examples/.
    #[arg(long, conflicts_with = "namesrv")]
    proxy: bool,
    /// The proxy's port.
    #[arg(long, default_value_t = 8081, requires = "proxy")]
    proxy_port: u16,
    /// Leaves functions running between requests, which makes them easier to debug.
    #[arg(long)]
    no_freeze: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    // Registered before anything starts, so that no signal is missed.
    let ended = shutdown_signal()?;
    tokio::pin!(ended);

    let progress = Progress::new();
    let started = tokio::select! {
        started = start(options, &progress) => started,
        code = &mut ended => {
            progress.finish();
            eprintln!("stopped before the system was ready");
            return Ok(ExitCode::from(code));
        }
    };
    progress.finish();
    let Started { mut system, pages, proxy } = started?;
    if system.broker.is_some() {
        eprintln!(
            "note: this broker flushes asynchronously; in production what it acknowledges must be \
             kept (flushDiskType=SYNC_FLUSH, or in-sync replicas)"
        );
    }
    println!("api       {}", system.api_url);
    println!("rocketmq  {}", system.endpoints.namesrv);
    if let Some(proxy) = &proxy {
        println!("proxy     {}", proxy.grpc());
    }
    println!("dynamodb  {}", system.endpoints.table_url);
    println!("console   {}/console", system.api_url);
    println!("mails     {}/mails", system.api_url);
    println!("ready");

    ended.await;
    eprintln!("stopping");
    if let Some(proxy) = proxy {
        proxy.kill().await;
    }
    pages.detach(&mut system).await;
    system.stop().await;
    // It ended as requested, which is a success for a user at the keyboard and for a supervisor.
    Ok(ExitCode::SUCCESS)
}

/// Everything that runs until a signal.
struct Started {
    system: System,
    pages: Pages,
    proxy: Option<RocketmqProxy>,
}

async fn start(options: Options, progress: &Progress) -> anyhow::Result<Started> {
    check(&options).await?;
    let proxy_port = options.proxy.then_some(options.proxy_port);
    let root = harness::checkout::root()?;
    progress.first("building the functions");
    build::functions(&root, &workspace::function_names(&root)?).await?;
    let mut options = system_options(options, progress)?;
    let pages = Pages::of(&mut options);
    let mut system = System::start(options).await?;
    pages.attach(&mut system)?;
    let proxy = match proxy_port {
        Some(port) => Some(start_proxy(&system, port, progress).await?),
        None => None,
    };
    Ok(Started { system, pages, proxy })
}

async fn start_proxy(
    system: &System,
    port: u16,
    progress: &Progress,
) -> anyhow::Result<RocketmqProxy> {
    let target = workspace::target()?;
    if !broker::is_proxy_fetched(&target) {
        progress.step("fetching RocketMQ's proxy, about 90 MB, once");
    }
    progress.step("starting RocketMQ's proxy");
    let data = system.endpoints.data.join("rocketmq-proxy");
    tokio::fs::create_dir_all(&data)
        .await
        .with_context(|| format!("cannot create the data folder {}", data.display()))?;
    let children = Children::new().context("/bin/sh cannot be started")?;
    RocketmqProxy::start(&system.endpoints.namesrv, port, &data, &target, &children).await
}

/// Checks everything that would fail later, so that it fails within a second.
async fn check(options: &Options) -> anyhow::Result<()> {
    broker::check_free(options.address, options.port, "--port")?;
    if options.table.is_none() {
        broker::check_free(Ipv4Addr::LOCALHOST, options.table_port, "--table-port")?;
    }
    match &options.namesrv {
        Some(address) => {
            // Several name servers know the same brokers: one that answers is enough.
            let mut answers = Vec::new();
            for one in address.split([',', ';']) {
                answers.push(broker::cluster_info(one.trim()).await);
            }
            let last = answers.pop().context("--namesrv is empty")?;
            if answers.iter().all(Result::is_err) {
                last.context("--namesrv names no cluster that answers")?;
            }
        }
        None => {
            broker::check_free(Ipv4Addr::LOCALHOST, options.namesrv_port, "--namesrv-port")?;
            broker::check_broker_port(options.broker_port)?;
            broker::check_java().await?;
            let target = workspace::target()?;
            let is_fetched = broker::is_fetched(&target)
                && (!options.proxy || broker::is_proxy_fetched(&target));
            if !is_fetched {
                broker::check_maven().await?;
            }
            if options.proxy {
                broker::check_free(Ipv4Addr::LOCALHOST, options.proxy_port, "--proxy-port")?;
            }
        }
    }
    Ok(())
}

fn system_options(options: Options, progress: &Progress) -> anyhow::Result<SystemOptions> {
    let mut system = SystemOptions::isolated(&harness::checkout::root()?)?;
    STACK_NAME.clone_into(&mut system.stack_name);
    system.use_topics_of_template();
    system.data = options.data;
    system.api_address = options.address;
    system.api_port = options.port;
    system.namesrv_port = options.namesrv_port;
    system.table_port = options.table_port;
    system.broker_port = options.broker_port;
    system.namesrv = options.namesrv;
    system.table = options.table;
    system.freeze = !options.no_freeze;
    system.sink = Some(Arc::new(WriterSink::new(std::io::stderr())));
    let progress = progress.clone();
    system.progress = Arc::new(move |step| progress.step(step));
    Ok(system)
}
