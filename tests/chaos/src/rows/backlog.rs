//! T4: more events than any single read returns.

use std::collections::BTreeSet;

use application::ports::pending::PendingAggregates;
use domain::aggregate::AggregateKey;
use dynamodb::keys::PENDING_SHARDS;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Rig, TRANSACTION_CHECK};

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    rest(&rig).await?;
    // Orders that are created now are not swept, and none of their events is on the topic.
    rig.windows.keep(TRANSACTION_CHECK, 0);
    rig.kill_all(TRANSACTION_CHECK).await?;
    let broker = &rig.proxies_of(CREATE_ORDER)?.broker;
    broker.broker_relay().refuse().await?;
    let orders: u64 = bench.either(600, 9_000);
    let created = rig.create_many("order", orders).await;
    anyhow::ensure!(created == orders, "{created} of {orders} orders were created");

    let (found, pages) = count(&rig).await?;
    anyhow::ensure!(found == orders, "{found} of {orders} events were read");
    // Each shard has at least one page, in each of two tables and of each rank, and a test's few
    // events fit into that. A long run's events are in the shards of one rank, and half of these
    // shards have a second page.
    let shards = u64::from(PENDING_SHARDS);
    let pages_least = 4 * shards + bench.either(0, shards / 2);
    anyhow::ensure!(pages >= pages_least, "{pages} pages held them all");
    broker.broker_relay().accept().await?;
    rig.windows.keep(TRANSACTION_CHECK, 1);

    let mut figures = judge_clean(&rig).await?;
    figures.faults = pages;
    figures.add_measure("events read", Measure::Share { part: found, whole: orders });
    rig.stop().await;
    Ok(figures)
}

/// The orders that have a pending event, as operators count them, and the pages in which they are
/// read.
async fn count(rig: &Rig<'_>) -> anyhow::Result<(u64, u64)> {
    let index = rig.aggregates()?;
    let (mut found, mut pages, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let page = index.page(after).await?;
        pages += 1;
        // Accounts and sessions of the run may be pending as well.
        let is_order = |key: &AggregateKey| matches!(key, AggregateKey::Order { .. });
        found.extend(page.items.into_iter().filter(is_order));
        anyhow::ensure!(page.unreadable == 0, "{} orders can't be read", page.unreadable);
        after = page.next;
        if after.is_none() {
            return Ok((u64::try_from(found.len())?, pages));
        }
    }
}
