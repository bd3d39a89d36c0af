//! `cargo xtask ops events`

mod pending;
mod replay;
mod republish;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the events that are pending in their aggregates, the oldest first: not every handler of ours
    /// is done with them. A healthy system has those of the last second or so; the sweep looks after
    /// all of them.
    #[command(after_help = "Example:\n  \
        cargo xtask ops events pending --older-than 10m --table http://127.0.0.1:8001")]
    Pending(pending::Options),
    /// Publishes a pending event again, at once and whatever the sweep thinks of it: when its message
    /// is lost for event-consumer.
    ///
    /// Its aggregate records a new publication first. If the broker does not acknowledge the message, the
    /// sweep sends it within about a minute. Every subscriber may see the event twice, and recognises
    /// it by its `event_id`; our handlers act once. An event that is not pending is replayed, and a
    /// dead letter is redriven.
    #[command(
        after_help = "Example, with the aggregate and the event as `pending` lists them:\n  \
        cargo xtask ops events republish 'USER#123/ORDER#01a206e6-b92c-704b-a7ae-bcefb7699a89' \\\n    \
          8766a488-64a3-819b-9128-c13061bdc6bb --yes \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-"
    )]
    Republish(republish::Options),
    /// Sends events again that other teams' subscribers have lost: when a broker has lost what it
    /// acknowledged.
    ///
    /// They are rebuilt from their aggregates, byte for byte as they were published first: all events of
    /// one order or of one account, or one of them, or every event since a moment. Subscribers recognise what they have
    /// by its `event_id`; our own handlers acknowledge what they are done with. It may be repeated.
    ///
    /// A moment is one at which events became true. After an outage, events are published later than that:
    /// name a moment before the outage that came before the loss.
    ///
    /// By time, the tables of orders and of users are read, a read unit for each 4 KB. It sends the
    /// events that are there; those of one aggregate in their order, those of several
    /// in none. An event that is not acknowledged for a minute stops it.
    #[command(after_help = "Examples:\n  \
        cargo xtask ops events replay --order 01a206e6-b92c-704b-a7ae-bcefb7699a89 --user 123 \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-\n  \
        cargo xtask ops events replay --since 2026-01-31T12:00:00Z --dry-run \\\n    \
          --orders-table shop-OrdersTable --users-table shop-UsersTable \\\n    \
          --namesrv mq-1.internal:9876 --group-prefix shop-")]
    Replay(replay::Options),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Pending(options) => pending::run(options).await,
        Command::Republish(options) => republish::run(options).await,
        Command::Replay(options) => replay::run(options).await,
    }
}
