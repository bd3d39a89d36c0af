//! The developer's commands: `cargo xtask up`, `invoke`, `ops`, `contracts`, `schemathesis`,
//! `permissions`, `sam-local`, `simulate`, `mutants`, `test`, `verify`, `chaos`, `pictures`, `rename`
//! and `bench`.
// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program prints to its two streams"
)]

mod build;
mod checks;
mod commands;
#[cfg(test)]
mod documents;
mod released;
mod rounds;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// The commands of this project. Each has its own --help.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole system on this machine until Ctrl-C.
    Up(commands::up::Options),
    /// Sends an event from a file to a function.
    Invoke(commands::invoke::Options),
    /// Does operators' work on a table or a cluster.
    Ops(commands::ops::Options),
    /// Writes the contracts that machines read, from the code, and the lists of routes, from the
    /// template.
    Contracts(commands::contracts::Options),
    /// Tests the running system against docs/openapi.yaml.
    Schemathesis(commands::schemathesis::Options),
    /// Compares the permissions of the functions' roles on tables with those that the last tests
    /// used.
    Permissions,
    /// Runs the template under `sam local`, in containers.
    SamLocal(commands::sam_local::Options),
    /// Runs the use cases under random faults, seed by seed.
    Simulate(commands::simulate::Options),
    /// Makes one change of the code at a time, and counts how often the tests notice.
    Mutants(commands::mutants::Options),
    /// Runs every check that CI runs.
    Test(commands::test::Options),
    /// Runs every check, including those that take too long for CI.
    Verify(commands::verify::Options),
    /// Injects faults into the whole system, row by row, and writes the report card.
    Chaos(commands::chaos::Options),
    /// Takes the documents' pictures of the pages.
    Pictures(commands::pictures::Options),
    /// Copies this service into a new folder under a name of your own.
    Rename(commands::rename::Options),
    /// Measures size, start, latency, throughput and memory of release builds.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| {
            EnvFilter::new("warn,dynoxide=error,rocketmq_client_rust=off,rocketmq_transport=off")
        }))
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match Arguments::parse().command {
            Command::Up(options) => commands::up::run(options).await,
            Command::Invoke(options) => commands::invoke::run(options).await,
            Command::Ops(options) => commands::ops::run(options).await,
            Command::Contracts(options) => commands::contracts::run(&options),
            Command::Schemathesis(options) => commands::schemathesis::run(options).await,
            Command::Permissions => commands::permissions::run(),
            Command::SamLocal(options) => commands::sam_local::run(options).await,
            Command::Simulate(options) => commands::simulate::run(options).await,
            Command::Mutants(options) => commands::mutants::run(options).await,
            Command::Test(options) => commands::test::run(options).await,
            Command::Verify(options) => commands::verify::run(options).await,
            Command::Chaos(options) => commands::chaos::run(options).await,
            Command::Pictures(options) => commands::pictures::run(options).await,
            Command::Rename(options) => commands::rename::run(options).await,
            Command::Bench(options) => commands::bench::run(options).await,
        }
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
