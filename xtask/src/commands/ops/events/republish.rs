use std::process::ExitCode;

use anyhow::Context;
use application::events::publish::PublishStored;
use application::operations::republish::{Republish, Republished};
use application::outcome::chain;
use application::ports::Clock;
use application::ports::pending::PendingEventStore;
use clap::Args;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::pending::{PendingEvent, Publication};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;

use super::pending::name_of;
use crate::commands::ops::UNCONFIRMED;
use crate::commands::ops::printing::ago;
use crate::commands::ops::target::{AggregatesOptions, ClusterOptions};

#[derive(Args)]
pub(crate) struct Options {
    /// The aggregate that raised the event, as `pending` lists it, such as
    /// `USER#<user_id>/ORDER#<order_id>`.
    aggregate: AggregateKey,
    /// The event's id.
    event: EventId,
    /// Publishes it. Without this, the command only prints what would be published.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    tables: AggregatesOptions,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { aggregate, event, yes, tables, cluster } = options;
    let aggregates = tables.open().await?.aggregates();
    // First, so that a wrong table does not look like an unavailable broker.
    aggregates.find(aggregate).await.with_context(|| tables.advice())?;
    let publisher = cluster.connect().await?;
    let republish = Republish {
        aggregates,
        publication: PublishStored { publisher: publisher.clone(), clock: SystemClock },
        identities: UuidIdentitySource,
    };
    let not_published = || format!("{event} of {aggregate} was not published again");
    let outcome = if yes {
        republish.republish(aggregate, event).await.with_context(not_published).map(Some)
    } else {
        let examined = republish.examine(aggregate, event).await.with_context(not_published);
        examined.map(|entry| {
            println!("{event} of {aggregate}, {}", described(&entry));
            None
        })
    };
    drop(republish);
    publisher.shutdown().await;
    match outcome? {
        None => {
            eprintln!(
                "nothing was published; add --yes, and every subscriber may see the event twice"
            );
            Ok(ExitCode::from(UNCONFIRMED))
        }
        Some(Republished { publication, sent }) => {
            match sent {
                Ok(()) => println!("{event} is on its topic again, as publication {publication}"),
                Err(error) => {
                    println!("{event} has the new publication {publication}; the sweep sends it");
                    eprintln!("{event} was not acknowledged immediately: {}", chain(&error));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn described(entry: &PendingEvent) -> String {
    let now = SystemClock.now();
    let publication = match entry.publication {
        Publication::Unsent => "never sent".to_owned(),
        Publication::Sent | Publication::Found => format!(
            "{}, published {} ago as {}",
            name_of(entry.publication),
            ago(entry.published_at, now),
            entry.transaction_id
        ),
    };
    format!(
        "pending for {}, {publication}, {} deliveries failed, {} copies",
        ago(entry.since, now),
        entry.failures,
        entry.copies,
    )
}
