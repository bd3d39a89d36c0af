//! T4: more events than any single read tells.

use std::time::Duration;

use application::list_pending_events::ListPendingEvents;
use dynamodb::DynamoOutboxReader;
use futures::stream::{self, StreamExt};
use platform::clock::SystemClock;

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Rig, TRANSACTION_CHECK};

/// How many clients order at once.
const CLIENTS: usize = 8;

/// How many shards the index of unobserved events has.
const SHARDS: u64 = 16;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    rest(&rig).await?;
    // Nobody sweeps what is taken now, and nothing of it is on the topic.
    rig.windows.keep(TRANSACTION_CHECK, 0);
    rig.kill_all(TRANSACTION_CHECK).await?;
    let broker = &rig.before(CREATE_ORDER)?.broker;
    broker.broker_relay().refuse().await?;
    let orders: u64 = bench.either(600, 5_000);
    let taken = stream::iter((0..orders).map(|n| format!("order-{n}")))
        .map(|key| {
            let rig = &rig;
            async move { rig.place(&key).await }
        })
        .buffer_unordered(CLIENTS)
        .filter(|outcome| std::future::ready(matches!(outcome, Outcome::Acked { .. })))
        .count()
        .await;
    anyhow::ensure!(u64::try_from(taken)? == orders, "{taken} of {orders} orders were taken");

    let (found, pages) = count(&rig).await?;
    anyhow::ensure!(found == orders, "{found} of {orders} events were read");
    // A shard has one page at the least. A test's few events fit into that; a long run's don't.
    let pages_least = SHARDS * bench.either(1, 2);
    anyhow::ensure!(pages >= pages_least, "{pages} pages told them all");
    broker.broker_relay().accept().await?;
    rig.windows.keep(TRANSACTION_CHECK, 1);

    let mut figures = judge_clean(&rig).await?;
    figures.faults = pages;
    figures.note("events read", Measure::Share { part: found, whole: orders });
    rig.stop().await;
    Ok(figures)
}

/// How many events wait for a consumer, as operators count them, and in how many pages they come.
async fn count(rig: &Rig<'_>) -> anyhow::Result<(u64, u64)> {
    let (client, table) = rig.events_table()?;
    let events = DynamoOutboxReader::new(client, table);
    let list = ListPendingEvents { events, clock: SystemClock };
    let mut pages = 0;
    let listing = list.oldest(Duration::ZERO, 1, |_| pages += 1).await?;
    anyhow::ensure!(listing.unreadable == 0, "{} events can't be read", listing.unreadable);
    Ok((listing.found, pages))
}
