//! `cargo xtask ops dead-letters`

mod discard;
mod list;
mod redrive;
mod show;

use std::process::ExitCode;

use application::list_dead_letters::DeadLetterFilter;
use application::redrive_dead_letter::RedriveDeadLetter;
use clap::{Args, Subcommand};
use dynamodb::{DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoOutbox, DynamoOutboxReader};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;

use super::target::EventsStore;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the dead letters, the newest first. It reads the whole events table, page by page.
    #[command(after_help = "Examples:\n  \
        cargo xtask ops dead-letters list --table http://127.0.0.1:8001\n  \
        cargo xtask ops dead-letters list --events-table shop-EventsTable --handler inventory --json")]
    List(list::Options),
    /// Shows a dead letter with its body, and whether it can be redriven.
    Show(show::Options),
    /// Gives the event of a dead letter another chance.
    ///
    /// The letter goes, and its event is in the outbox again under its own id. It is published at
    /// once where --namesrv names a cluster, and by the sweep, within about a minute, where not. A
    /// handler that has done its part before does nothing. What fails again comes back as another
    /// letter.
    ///
    /// Refused is what can't be decoded (it would only come back), what is more than 10 days old
    /// (handlers recognise what they have handled for 14 days from then, and a message may lie on
    /// its topic for three), and a body that was too long to be kept, unless the outbox has a copy.
    #[command(after_help = "Examples:\n  \
        cargo xtask ops dead-letters redrive 01a206e6-b92c-704b-a7ae-bcefb7699a89 \\\n    \
          --table http://127.0.0.1:8001 --namesrv 127.0.0.1:9876 --group-prefix orders-local-\n  \
        cargo xtask ops dead-letters redrive --reason throttling --events-table shop-EventsTable --yes")]
    Redrive(redrive::Options),
    /// Removes dead letters for good: what their handlers have not done is never done.
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

/// Which letters are meant.
#[derive(Args)]
struct FilterOptions {
    /// Those that this handler gave up, such as inventory.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Those whose reason contains this text.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl FilterOptions {
    fn filter(&self) -> DeadLetterFilter {
        DeadLetterFilter { handler: self.handler.clone(), reason: self.reason.clone() }
    }
}

type Redrive = RedriveDeadLetter<
    DynamoDeadLetterReader,
    DynamoDeadLetterRemoval,
    DynamoOutboxReader,
    UuidIdentitySource,
    DynamoOutbox,
    RocketmqPublisher,
    SystemClock,
>;

/// The use case on a table and, where one can be reached, a cluster.
fn redrive_on(store: EventsStore, publisher: Option<RocketmqPublisher>) -> Redrive {
    let EventsStore { client, table } = store;
    RedriveDeadLetter {
        letters: DynamoDeadLetterReader::new(client.clone(), table.clone()),
        removal: DynamoDeadLetterRemoval::new(client.clone(), table.clone()),
        events: DynamoOutboxReader::new(client.clone(), table.clone()),
        identities: UuidIdentitySource,
        publication: publisher.map(|publisher| {
            application::publish_recorded_event::PublishRecordedEvent {
                outbox: DynamoOutbox::new(client, table),
                publisher,
                clock: SystemClock,
            }
        }),
        clock: SystemClock,
    }
}
