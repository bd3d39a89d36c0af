use std::num::NonZeroU32;
use std::process::ExitCode;

use anyhow::Context;
use application::events::publish::PublishStored;
use application::operations::find_aggregates::{
    FindAggregatesError, FindUserAggregates, SearchAggregates, SearchProgress, UserAggregates,
    Wanted,
};
use application::operations::replay::{Replay, ReplayedEvent};
use application::operations::replay_since::{ReplaySince, ReplaySummary};
use application::outcome::chain;
use clap::{ArgGroup, Args};
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
#[command(group = ArgGroup::new("which").required(true).multiple(true))]
pub(crate) struct Options {
    /// The events of this order. Without --user, the orders table is read until it is found.
    #[arg(long, value_name = "ID", group = "which")]
    order: Option<OrderId>,
    /// The events of this user's account, sessions, mails and orders; with --order, of that order
    /// alone. The users table is read completely, because the keys of sessions and mails do not
    /// name the user.
    #[arg(long, value_name = "ID", group = "which")]
    user: Option<UserId>,
    /// Only this event. Without --order and --user, both tables are read until it is found; with
    /// --user, the users table, and only for an event of a session or a mail.
    #[arg(long, value_name = "ID", group = "which")]
    event: Option<EventId>,
    /// All events of all orders, accounts, sessions and mails since this moment, such as
    /// 2026-01-31T12:00:00Z.
    #[arg(
        long,
        value_name = "RFC3339",
        value_parser = parse_moment,
        group = "which",
        conflicts_with_all = ["order", "user", "event"]
    )]
    since: Option<Timestamp>,
    /// At most this many events a second, 1 to 1000.
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=1_000)
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
    let replayed = match options.since {
        Some(since) => all_since(&options, &store, publisher.clone(), since).await,
        None => some(&options, &store, publisher.clone()).await,
    };
    publisher.shutdown().await;
    replayed
}

/// Replays the events of an order or a user, or one event.
async fn some(
    options: &Options,
    store: &AggregatesStore,
    publisher: RocketmqPublisher,
) -> anyhow::Result<ExitCode> {
    let progress = Progress::new();
    let found = find(options, store, &progress).await;
    progress.finish();
    let UserAggregates { keys, unreadable } = found?;
    let replay = Replay {
        aggregates: store.aggregates(),
        publication: PublishStored { publisher, clock: SystemClock },
        identities: UuidIdentitySource,
        events_per_second: NonZeroU32::new(options.rate).context("--rate")?,
    };
    let events = if options.dry_run {
        let planned = replay.plan(&keys, options.event).await?;
        planned.iter().for_each(|event| println!("{}", described(event)));
        planned
    } else {
        let sent = |event: &ReplayedEvent| println!("{}: sent", described(event));
        replay.run(&keys, options.event, sent).await?
    };
    let newer = events.iter().filter(|event| event.event_type.is_none()).count();
    let (count, of) = (events.len() - newer, keys.len());
    if options.dry_run {
        eprintln!("dry run: {count} events of {of} aggregates, nothing was sent");
    } else {
        eprintln!("{count} events of {of} aggregates are on their topic again");
    }
    if newer > 0 {
        eprintln!("{newer} were raised by newer code, and this version cannot send them");
    }
    // An event that was found is in none of them.
    let is_lacking = unreadable > 0 && options.event.is_none();
    if is_lacking {
        eprintln!(
            "{unreadable} orders of the user, or accounts, sessions or mails of any user, cannot be \
             read; their events were not sent"
        );
    }
    let is_complete = newer == 0 && !is_lacking;
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The aggregates that the options name.
async fn find(
    options: &Options,
    store: &AggregatesStore,
    progress: &Progress,
) -> anyhow::Result<UserAggregates> {
    match (options.user, options.order, options.event) {
        (Some(user_id), Some(order_id), _) => Ok(UserAggregates {
            keys: vec![AggregateKey::Order { user_id, order_id }],
            unreadable: 0,
        }),
        (Some(user_id), None, event_id) => {
            progress.step(&format!(
                "looking for the account and the orders of user {user_id}, then reading the users \
                 table for sessions and mails, a read unit for each 4 KB"
            ));
            let find =
                FindUserAggregates { aggregates: store.aggregates(), orders: store.orders() };
            let of_event =
                event_id.map(|event_id| format!("event {event_id} of ")).unwrap_or_default();
            let found = find.execute(user_id, event_id, |read| show(progress, read)).await;
            found.map_err(|error| missing(options, &format!("{of_event}user {user_id}"), error))
        }
        (None, Some(order_id), _) => {
            progress.step(
                "reading the orders table until the order is found, a read unit for each 4 KB; with \
                 --user, one item is read",
            );
            let found = search(store, progress, Wanted::Order(order_id)).await;
            found.map_err(|error| missing(options, &format!("order {order_id}"), error))
        }
        (None, None, Some(event_id)) => {
            progress.step(
                "reading the orders and the users table until the event is found, a read unit for \
                 each 4 KB; with --user, that user's orders and the users table are read",
            );
            let found = search(store, progress, Wanted::Event(event_id)).await;
            found.map_err(|error| missing(options, &format!("event {event_id}"), error))
        }
        (None, None, None) => anyhow::bail!("name an order, a user, an event or a moment"),
    }
}

async fn search(
    store: &AggregatesStore,
    progress: &Progress,
    wanted: Wanted,
) -> Result<UserAggregates, FindAggregatesError> {
    let search = SearchAggregates { aggregates: store.aggregates() };
    let key = search.execute(wanted, |read| show(progress, read)).await?;
    Ok(UserAggregates { keys: vec![key], unreadable: 0 })
}

fn show(progress: &Progress, read: &SearchProgress) {
    progress.at(&format!("{} aggregates read", read.aggregates));
}

/// What was not found, and what may be wrong.
fn missing(options: &Options, what: &str, error: FindAggregatesError) -> anyhow::Error {
    let context = match error {
        FindAggregatesError::NotFound { .. } => what.to_owned(),
        FindAggregatesError::Unread(_) => options.aggregates.advice(),
    };
    anyhow::Error::new(error).context(context)
}

fn described(event: &ReplayedEvent) -> String {
    let event_type = event.event_type.map_or("newer than this code", EventType::as_str);
    let pending = if event.is_pending { ", pending" } else { "" };
    format!("{} {event_type}{pending} of {}", event.event_id, event.aggregate)
}

async fn all_since(
    options: &Options,
    store: &AggregatesStore,
    publisher: RocketmqPublisher,
    since: Timestamp,
) -> anyhow::Result<ExitCode> {
    let replay = ReplaySince {
        aggregates: store.aggregates(),
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
