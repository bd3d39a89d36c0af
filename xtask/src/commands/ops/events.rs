//! `cargo xtask ops events`

mod pending;
mod replay;
mod republish;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the events that are pending in their aggregates, the oldest first: not all handlers of
    /// this deployment have handled them. A healthy system has those of the last second or so; the
    /// sweep publishes overdue ones again.
    #[command(after_help = "Example:\n  \
        cargo xtask ops events pending --older-than 10m --table http://127.0.0.1:8001")]
    Pending(pending::Options),
    /// Publishes a pending event again immediately, without waiting for the sweep, when its message
    /// is lost.
    ///
    /// Its aggregate records a new publication first. If the broker does not acknowledge the
    /// message, the sweep sends it within about a minute. Every subscriber may see the event twice,
    /// and recognises it by its `event_id`; this deployment's handlers act once. For an event that
    /// is not pending use `replay`, for a dead letter `dead-letters redrive`.
    #[command(
        after_help = "Example, with the aggregate and the event as `pending` lists them:\n  \
        cargo xtask ops events republish 'USER#123/ORDER#01a206e6-b92c-704b-a7ae-bcefb7699a89' \\\n    \
          8766a488-64a3-819b-9128-c13061bdc6bb --yes \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-"
    )]
    Republish(republish::Options),
    /// Sends events again that other teams' subscribers have lost, when a broker has lost
    /// acknowledged messages.
    ///
    /// The events are rebuilt from their aggregates, byte for byte as they were first published:
    /// those of one order, those of one user's account, sessions, mails and orders, one event, or
    /// every event since a moment. Subscribers recognise events that they already have by their
    /// `event_id`; this deployment's handlers acknowledge those that they have handled. The command
    /// may be repeated.
    ///
    /// The moment is compared with the time at which events became true. After an outage, events
    /// are published later than that: name a moment before the outage that preceded the loss.
    ///
    /// With --since, the tables of orders and of users are read completely, which costs a read unit
    /// for each 4 KB, and with --user the users table. With --order alone, the orders table is read
    /// until the order is found, and with --event alone both are: no index has either, and the key
    /// of an order begins with its user.
    ///
    /// Events of one aggregate are sent in their order; with --since, those of several in any
    /// order. An event that is not acknowledged for a minute stops the command.
    #[command(after_help = "Examples:\n  \
        cargo xtask ops events replay --order 01a206e6-b92c-704b-a7ae-bcefb7699a89 \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-\n  \
        cargo xtask ops events replay --user 123 --rate 10 --dry-run \\\n    \
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
