//! `cargo xtask ops`: operators' work on tables and clusters, local or remote.

mod dead_letters;
mod events;
mod groups;
mod keys;
mod listing;
mod printing;
mod products;
mod target;
mod topics;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Works on any table and cluster that its options name.
///
/// The exit status is 0 when everything is done, 1 when a part is not (standard error has the
/// reason), and 2 when the command is wrong or lacks its --yes: then nothing was changed.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// Events that were given up: list, show, redrive or discard them.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Events of orders, accounts and sessions: list those that are pending, or publish some again.
    #[command(subcommand)]
    Events(events::Command),
    /// Consumer groups of a RocketMQ cluster, for subscribers of other teams.
    #[command(subcommand)]
    Groups(groups::Command),
    /// The key that signs access tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Products: list or import them, change prices, add stock.
    #[command(subcommand)]
    Products(products::Command),
    /// Topics and groups of a RocketMQ cluster.
    #[command(subcommand)]
    Topics(topics::Command),
}

/// The exit status of a command without its --yes, which changes nothing.
const UNCONFIRMED: u8 = 2;

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    match options.subject {
        Subject::DeadLetters(command) => dead_letters::run(command).await,
        Subject::Events(command) => events::run(command).await,
        Subject::Groups(command) => groups::run(command).await.map(|()| ExitCode::SUCCESS),
        Subject::Keys(command) => keys::run(command).await.map(|()| ExitCode::SUCCESS),
        Subject::Products(command) => products::run(command).await,
        Subject::Topics(command) => topics::run(command).await.map(|()| ExitCode::SUCCESS),
    }
}
