//! The program behind `cargo xtask bench`: it measures the functions in its folder, which were
//! built with the same profile, and prints the report.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program answers on its two streams"
)]

mod consumer;
mod floor;
mod load;
mod orders;
mod parts;
mod report;
mod rig;
mod samples;
mod table;

use std::process::ExitCode;

use bench::{Options, Part};
use clap::{Parser, Subcommand};
use harness::checkout;
use harness::progress::Progress;
use local_lambda::shutdown_signal;

use parts::{confirmations, events, functions, hot, path, weather};
use report::Report;
use rig::Rig;

/// Measures the functions in this program's folder. `cargo xtask bench` builds and runs it.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves an embedded table: this program starts itself in this way.
    #[command(name = table::SUBCOMMAND, hide = true)]
    Table,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Some(Command::Table) => table::serve().await.map(|()| ExitCode::SUCCESS),
            None => Box::pin(measure_until_signal(arguments.options)).await,
        }
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Measures until a signal comes. Then all child processes are dropped, which ends them.
async fn measure_until_signal(options: Options) -> anyhow::Result<ExitCode> {
    let shutdown_signal = shutdown_signal()?;
    let progress = Progress::new();
    let mut report = Report::default();
    let measured = tokio::select! {
        measured = measure(&options, &progress, &mut report) => measured,
        _ = shutdown_signal => Err(anyhow::anyhow!("stopped before the end")),
    };
    progress.finish();
    // The finished parts are printed even after an error.
    print!("{report}");
    measured?;
    eprint!("{}", report.missed());
    Ok(ExitCode::SUCCESS)
}

async fn measure(
    options: &Options,
    progress: &Progress,
    report: &mut Report,
) -> anyhow::Result<()> {
    let rig = Rig::start(checkout::root()?, progress.clone()).await?;
    if options.wants(Part::Functions) {
        report.functions = functions::measure(&rig, options.starts).await?;
    }
    if options.wants(Part::Orders) {
        report.orders = parts::orders::measure(&rig, options.orders).await?;
    }
    if options.wants(Part::Path) {
        report.path = Some(Box::pin(path::measure(&rig, options.orders)).await?);
    }
    if options.wants(Part::Events) {
        report.events = Some(events::measure(&rig, options.events).await?);
    }
    if options.wants(Part::Confirmations) {
        let figures = confirmations::measure(&rig, None, options.confirmations).await?;
        report.confirmations = Some(figures);
    }
    if options.wants(Part::Weather) {
        report.weather = Some(weather::measure(&rig, options.weather_orders).await?);
    }
    if options.wants(Part::Hot) {
        let figures = hot::measure(&rig, options.hot_rate, options.hot_seconds).await?;
        report.hot = Some(figures);
    }
    rig.stop().await;
    Ok(())
}
