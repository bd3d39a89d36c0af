//! `cargo xtask ops dead-letters`

mod discard;
mod list;
mod redrive;
mod show;

use std::process::ExitCode;

use application::operations::list_dead_letters::DeadLetterFilter;
use clap::{Args, Subcommand};
use dynamodb::{AggregateTables, DynamoDeadLetters};

use super::target::{AggregatesStore, LettersStore};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the dead letters, the newest first. It reads their index page by page, without bodies.
    #[command(after_help = "Examples:\n  \
        cargo xtask ops dead-letters list --table http://127.0.0.1:8001\n  \
        cargo xtask ops dead-letters list --dead-letters-table shop-DeadLettersTable --handler inventory --json")]
    List(list::Options),
    /// Shows a dead letter with its body, and whether it can be redriven.
    Show(show::Options),
    /// Makes the event of a dead letter pending again.
    ///
    /// One write deletes the letter and makes its event pending in its aggregate again. The event
    /// is published immediately if --namesrv names a cluster, and otherwise by the sweep, within
    /// about a minute. A handler that has already done its part does nothing. An event that fails
    /// again becomes another letter. However old the letter is, its order records what was done.
    ///
    /// The event of a letter without an aggregate of this deployment is published unchanged, which
    /// needs --namesrv; then the letter is deleted. A message that can't be decoded is refused: it
    /// would only become a letter again.
    #[command(after_help = "Examples:\n  \
        cargo xtask ops dead-letters redrive 01a206e6-b92c-704b-a7ae-bcefb7699a89 \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-\n  \
        cargo xtask ops dead-letters redrive --reason throttling --yes \\\n    \
          --dead-letters-table shop-DeadLettersTable --orders-table shop-OrdersTable --users-table shop-UsersTable")]
    Redrive(redrive::Options),
    /// Deletes dead letters for good: work that their handlers have not done is never done.
    #[command(after_help = "Example:\n  \
        cargo xtask ops dead-letters discard 7F00000100002A9F00000000000012AB --yes \\\n    \
          --table http://127.0.0.1:8001")]
    Discard(discard::Options),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(options) => list::run(options).await,
        Command::Show(options) => show::run(options).await,
        Command::Redrive(options) => redrive::run(options).await,
        Command::Discard(options) => discard::run(options).await,
    }
}

/// Selects letters.
#[derive(Args)]
struct FilterOptions {
    /// Only letters that this handler gave up, such as inventory.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Only letters with a reason that contains this text.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl FilterOptions {
    fn filter(&self) -> DeadLetterFilter {
        DeadLetterFilter { handler: self.handler.clone(), reason: self.reason.clone() }
    }
}

/// The letters, with the tables of the aggregates that raised their events.
fn letters_on(
    store: LettersStore,
    aggregates: &AggregatesStore,
) -> DynamoDeadLetters<AggregateTables> {
    DynamoDeadLetters::new(store.client, store.letters)
        .with_aggregates(aggregates.orders.clone(), aggregates.users.clone())
}
