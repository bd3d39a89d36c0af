use std::process::ExitCode;

use anyhow::Context;
use application::ports::{Clock, OutboxCopy, OutboxReader};
use application::publish_recorded_event::PublishRecordedEvent;
use application::republish_event::RepublishEvent;
use clap::Args;
use domain::identity::EventId;
use dynamodb::{DynamoOutbox, DynamoOutboxReader};
use platform::clock::SystemClock;

use crate::commands::ops::UNCONFIRMED;
use crate::commands::ops::printing::ago;
use crate::commands::ops::target::{ClusterOptions, EventsStore, EventsTableOptions};

#[derive(Args)]
pub(crate) struct Options {
    /// The event's id.
    id: EventId,
    /// Does it. Otherwise it only tells what would be published.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    table: EventsTableOptions,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let EventsStore { client, table } = options.table.open().await?;
    let events = DynamoOutboxReader::new(client.clone(), table.clone());
    if !options.yes {
        let found = events.find(options.id).await.with_context(|| options.table.advice())?;
        let copy = found.with_context(|| format!("there is no outbox copy of {}", options.id))?;
        println!("{}", described(&copy));
        eprintln!(
            "nothing was published; --yes does it, and every subscriber may see the event twice"
        );
        return Ok(ExitCode::from(UNCONFIRMED));
    }
    let publisher = options.cluster.connect().await?;
    let republish = RepublishEvent {
        events,
        publication: PublishRecordedEvent {
            outbox: DynamoOutbox::new(client, table),
            publisher: publisher.clone(),
            clock: SystemClock,
        },
    };
    let republished = republish.republish(options.id).await;
    drop(republish);
    publisher.shutdown().await;
    println!("{} is on its topic once more", described(&republished?));
    Ok(ExitCode::SUCCESS)
}

fn described(copy: &OutboxCopy) -> String {
    let seen = if copy.pending.is_some() { "not observed" } else { "observed or given up" };
    format!(
        "{} {} of {}, recorded {} ago, {seen}",
        copy.message.event_id,
        copy.message.event_type.as_str(),
        copy.message.subject,
        ago(copy.recorded_at, SystemClock.now()),
    )
}
