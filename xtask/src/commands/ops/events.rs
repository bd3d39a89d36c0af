//! `cargo xtask ops events`

mod pending;
mod republish;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the events that no consumer has seen, the oldest first. A healthy system has those of
    /// the last second or so; the sweep looks after all of them.
    #[command(after_help = "Example:\n  \
        cargo xtask ops events pending --older-than 10m --table http://127.0.0.1:8001")]
    Pending(pending::Options),
    /// Publishes a recorded event once more, under its own id: when its message was lost for a
    /// consumer.
    ///
    /// Every subscriber may see it twice. This service's handlers recognise it by their inbox
    /// records, other teams' must recognise it by its `event_id`. An event that was observed and is
    /// more than 10 days old is refused: handlers might have forgotten it. A dead letter is better
    /// redriven.
    #[command(after_help = "Example:\n  \
        cargo xtask ops events republish 01a206e6-b92c-704b-a7ae-bcefb7699a89 --yes \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-")]
    Republish(republish::Options),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Pending(options) => pending::run(options).await,
        Command::Republish(options) => republish::run(options).await,
    }
}
