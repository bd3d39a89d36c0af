use std::process::ExitCode;

use anyhow::Context;
use application::events::publish::PublishStored;
use application::operations::list_dead_letters::ListDeadLetters;
use application::operations::redrive::{Redrive, RedriveError, Redriven};
use application::outcome::chain;
use application::ports::DeadLetterId;
use clap::Args;
use dynamodb::DynamoDeadLetters;
use futures::StreamExt;
use futures::stream;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;

use super::{FilterOptions, letters_on};
use crate::commands::ops::UNCONFIRMED;
use crate::commands::ops::target::{LettersStore, OptionalClusterOptions, RedriveOptions};
use harness::progress::Progress;

/// How many letters are redriven at once.
const AT_ONCE: usize = 8;

#[derive(Args)]
pub(crate) struct Options {
    /// The letters' ids.
    #[arg(
        value_parser = DeadLetterId::parse,
        required_unless_present_any = ["all", "handler", "reason"],
        conflicts_with_all = ["all", "handler", "reason"]
    )]
    ids: Vec<DeadLetterId>,
    /// All letters; requires --yes.
    #[arg(long, conflicts_with_all = ["handler", "reason"])]
    all: bool,
    #[command(flatten)]
    filter: FilterOptions,
    /// Without ids: only the newest N letters.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    limit: usize,
    /// Without ids: redrives the letters. Without this, the command only prints their number.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    tables: RedriveOptions,
    #[command(flatten)]
    cluster: OptionalClusterOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let (store, aggregates) = options.tables.open().await?;
    let ids = if options.ids.is_empty() {
        let ids = selected(&options, store.clone()).await?;
        if !options.yes && !ids.is_empty() {
            eprintln!("{} dead letters would be redriven; add --yes to redrive them", ids.len());
            return Ok(ExitCode::from(UNCONFIRMED));
        }
        ids
    } else {
        options.ids
    };
    let publisher = match options.cluster.given() {
        Some(cluster) => Some(cluster.connect().await?),
        None => None,
    };
    let clock = SystemClock;
    let redrive = Redrive {
        letters: letters_on(store, &aggregates),
        aggregates: aggregates.aggregates(),
        identities: UuidIdentitySource,
        clock,
        publication: publisher.clone().map(|publisher| PublishStored { publisher, clock }),
    };
    let mut outcomes =
        stream::iter(&ids).map(async |id| (id, redrive.redrive(id).await)).buffered(AT_ONCE);
    let mut done = 0;
    while let Some((id, outcome)) = outcomes.next().await {
        done += usize::from(outcome.is_ok());
        print(id, &outcome);
    }
    drop(outcomes);
    drop(redrive);
    if let Some(publisher) = publisher {
        publisher.shutdown().await;
    }
    if ids.len() > 1 || done == 0 {
        eprintln!("{done} of {} dead letters were redriven", ids.len());
    }
    Ok(if done == ids.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The selected letters, the oldest first. All are looked up before the first one is redriven, so
/// that an event that fails again is not redriven for ever.
async fn selected(options: &Options, store: LettersStore) -> anyhow::Result<Vec<DeadLetterId>> {
    let list = ListDeadLetters { letters: DynamoDeadLetters::new(store.client, store.letters) };
    let progress = Progress::new();
    progress.step("reading the table of dead letters");
    let found = |found| progress.step(&format!("{found} found so far"));
    let listing = list.newest(&options.filter.filter(), options.limit, found).await;
    progress.finish();
    let listing = listing.with_context(|| options.tables.letters.advice())?;
    let beyond = listing.found.saturating_sub(u64::try_from(listing.items.len())?);
    if beyond > 0 {
        eprintln!("{beyond} more are beyond the --limit of {}", options.limit);
    }
    Ok(listing.items.into_iter().rev().map(|letter| letter.id).collect())
}

fn print(id: &DeadLetterId, outcome: &Result<Redriven, RedriveError>) {
    match outcome {
        Ok(Redriven { is_published: true, .. }) => println!("{id} redriven: it is on its topic"),
        Ok(Redriven { is_published: false, .. }) => {
            println!("{id} redriven: the sweep publishes it");
        }
        Err(error) => eprintln!("{id} not redriven: {}", chain(error)),
    }
}
