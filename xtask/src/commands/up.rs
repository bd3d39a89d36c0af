//! `cargo xtask up`: runs the whole system on this machine.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use harness::broker;
use harness::host::WriterSink;
use harness::system::{System, SystemOptions};
use pages::Pages;

use crate::{build, workspace};
use harness::process::shutdown_signal;
use harness::progress::Progress;

/// The stack name of a local system, which is the prefix of its tables and groups.
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
    let (mut system, pages) = started?;
    if system.broker.is_some() {
        eprintln!(
            "note: this broker flushes asynchronously; in production what it acknowledges must be \
             kept (flushDiskType=SYNC_FLUSH, or in-sync replicas)"
        );
    }
    println!("api       {}", system.api_url);
    println!("rocketmq  {}", system.endpoints.namesrv);
    println!("dynamodb  {}", system.endpoints.table_url);
    println!("console   {}/console", system.api_url);
    println!("mails     {}/mails", system.api_url);
    println!("ready");

    ended.await;
    eprintln!("stopping");
    pages.detach(&mut system).await;
    system.stop().await;
    // It ended as requested, which is a success for a user at the keyboard and for a supervisor.
    Ok(ExitCode::SUCCESS)
}

async fn start(options: Options, progress: &Progress) -> anyhow::Result<(System, Pages)> {
    check(&options).await?;
    let root = harness::checkout::root()?;
    progress.first("building the functions");
    build::functions(&root, &workspace::function_names(&root)?).await?;
    let mut options = system_options(options, progress)?;
    let pages = Pages::of(&mut options);
    let mut system = System::start(options).await?;
    pages.attach(&mut system)?;
    Ok((system, pages))
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
            if !broker::is_fetched(&workspace::target()?) {
                broker::check_maven().await?;
            }
        }
    }
    Ok(())
}

fn system_options(options: Options, progress: &Progress) -> anyhow::Result<SystemOptions> {
    let mut system = SystemOptions::isolated(&harness::checkout::root()?)?;
    STACK_NAME.clone_into(&mut system.stack_name);
    // The template's own topic.
    system.parameters.clear();
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
