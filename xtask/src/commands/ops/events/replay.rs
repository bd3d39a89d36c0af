use std::num::NonZeroU32;
use std::process::ExitCode;

use anyhow::Context;
use application::events::publish::PublishStored;
use application::operations::replay::{Replay, ReplayedEvent};
use application::operations::replay_since::{ReplaySince, ReplaySummary};
use application::outcome::chain;
use clap::Args;
use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, UserId};
use domain::timestamp::Timestamp;
use harness::progress::Progress;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;

use crate::commands::ops::printing::parse_moment;
use crate::commands::ops::target::{AggregatesOptions, AggregatesStore, ClusterOptions};

#[derive(Args)]
pub(crate) struct Options {
    /// Sends the events of this order again.
    #[arg(long, value_name = "ID", requires = "user")]
    order: Option<OrderId>,
    /// The user of the order. Without --order, the events of this user's account are sent again.
    #[arg(long, value_name = "ID", required_unless_present = "since")]
    user: Option<UserId>,
    /// Only this event of the order or the account.
    #[arg(long, value_name = "ID", requires = "user")]
    event: Option<EventId>,
    /// All events of all orders, accounts and sessions since this moment, such as
    /// 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "RFC3339", value_parser = parse_moment, conflicts_with = "user")]
    since: Option<Timestamp>,
    /// With --since: at most this many events a second, 1 to 1000.
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=1_000),
        conflicts_with = "user"
    )]
    rate: u32,
    /// Only prints what would be sent.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    aggregates: AggregatesOptions,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let store = options.aggregates.open().await?;
    let publisher = options.cluster.connect().await?;
    let replayed = match (options.user, options.since) {
        (Some(user_id), _) => {
            let key = match options.order {
                Some(order_id) => AggregateKey::Order { user_id, order_id },
                None => AggregateKey::Account { user_id },
            };
            one_aggregate(&options, &store, publisher.clone(), key).await
        }
        (None, Some(since)) => all_since(&options, &store, publisher.clone(), since).await,
        (None, None) => {
            Err(anyhow::anyhow!("name an --order with its --user, or a moment with --since"))
        }
    };
    publisher.shutdown().await;
    replayed
}

async fn one_aggregate(
    options: &Options,
    store: &AggregatesStore,
    publisher: RocketmqPublisher,
    key: AggregateKey,
) -> anyhow::Result<ExitCode> {
    let replay = Replay {
        aggregates: store.aggregates(),
        publication: PublishStored { publisher, clock: SystemClock },
        identities: UuidIdentitySource,
    };
    let planned = replay.plan(key, options.event).await.with_context(|| key.to_string())?;
    if options.dry_run {
        planned.iter().for_each(|event| println!("{}", described(event)));
        eprintln!("dry run: nothing was sent");
        return Ok(ExitCode::SUCCESS);
    }
    let sent = |event: &ReplayedEvent| println!("{}: sent", described(event));
    let events = replay.aggregate(key, options.event, sent).await;
    let events = events.with_context(|| key.to_string())?;
    let newer = events.iter().filter(|event| event.event_type.is_none()).count();
    eprintln!("{} events of {key} are on their topic again", events.len() - newer);
    if newer > 0 {
        eprintln!("{newer} were raised by newer code, and this version cannot send them");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn described(event: &ReplayedEvent) -> String {
    let event_type = event.event_type.map_or("newer than this code", EventType::as_str);
    let pending = if event.is_pending { ", pending" } else { "" };
    format!("{} {event_type}{pending}", event.event_id)
}

async fn all_since(
    options: &Options,
    store: &AggregatesStore,
    publisher: RocketmqPublisher,
    since: Timestamp,
) -> anyhow::Result<ExitCode> {
    let replay = ReplaySince {
        aggregates: store.reader(),
        publication: PublishStored { publisher, clock: SystemClock },
        identities: UuidIdentitySource,
        events_per_second: NonZeroU32::new(options.rate).context("--rate")?,
    };
    let progress = Progress::new();
    progress.step("reading the tables of orders and users");
    let at = |summary: &ReplaySummary| progress.at(&so_far(summary));
    if options.dry_run {
        let counted = replay.count(since, at).await;
        progress.finish();
        let summary = counted.with_context(|| options.aggregates.advice())?;
        println!("{}", so_far(&summary));
        eprintln!("dry run: nothing was sent");
        return Ok(incomplete(&summary));
    }
    let (summary, ended) = replay.run(since, at).await;
    progress.finish();
    println!("{}", so_far(&summary));
    if let Err(error) = ended {
        eprintln!("stopped: {}. Run the command again from the beginning", chain(&error));
        return Ok(ExitCode::FAILURE);
    }
    Ok(incomplete(&summary))
}

fn so_far(summary: &ReplaySummary) -> String {
    let ReplaySummary { aggregates, unreadable, events, sent, newer } = summary;
    format!(
        "{aggregates} aggregates read ({unreadable} more unreadable), {events} events, {sent} sent, \
         {newer} newer than this code"
    )
}

/// Success, unless a requested event could not be sent.
fn incomplete(summary: &ReplaySummary) -> ExitCode {
    let is_complete = summary.unreadable == 0 && summary.newer == 0;
    if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
