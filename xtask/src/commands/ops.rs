//! `cargo xtask ops`: what operators do to a table or a cluster, local or not.

mod products;
mod topics;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Works on any table and cluster that its options name.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// What is sold, at which price.
    #[command(subcommand)]
    Products(products::Command),
    /// Topics and groups of a RocketMQ cluster.
    #[command(subcommand)]
    Topics(topics::Command),
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    match options.subject {
        Subject::Products(command) => products::run(command).await,
        Subject::Topics(command) => topics::run(command).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
