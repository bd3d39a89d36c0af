//! `cargo xtask ops`: what operators do to a table or a cluster, local or not.

mod dead_letters;
mod events;
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
/// It ends with 0 when everything that was asked for is done, with 1 when something isn't (standard
/// error says what and why), and with 2 when the command is wrong or lacks its --yes: then nothing
/// was changed.
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
    /// The key that signs access tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// What is sold: list it, import it, change prices, add stock.
    #[command(subcommand)]
    Products(products::Command),
    /// Topics and groups of a RocketMQ cluster.
    #[command(subcommand)]
    Topics(topics::Command),
}

/// Without its --yes a command changes nothing and ends as a wrong one does.
const UNCONFIRMED: u8 = 2;

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    match options.subject {
        Subject::DeadLetters(command) => dead_letters::run(command).await,
        Subject::Events(command) => events::run(command).await,
        Subject::Keys(command) => keys::run(command).await.map(|()| ExitCode::SUCCESS),
        Subject::Products(command) => products::run(command).await,
        Subject::Topics(command) => topics::run(command).await.map(|()| ExitCode::SUCCESS),
    }
}
