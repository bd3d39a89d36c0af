//! B7: the broker is killed between rounds of check-backs that nobody answers.

use std::time::Duration;

use harness::broker::BrokerTuning;
use tokio::time::Instant;

use super::{Bench, discarded};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{Crew, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// Short, so that there are several rounds between two kills.
const TUNING: BrokerTuning = BrokerTuning { check_interval_ms: 3_000, ..Cluster::TUNING };

/// The time from the broker's readiness to its kill. It first stores its position in the queue of
/// half messages 10 s after its start (`BrokerController.java`). So the next one starts from the
/// same position, and finds all copies that this one wrote.
const LIVES: Duration = Duration::from_secs(7);

/// Within this many kills there must be enough copies.
const KILLS_MAX: u64 = 12;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(TUNING).await?;
    let rig = Rig::start_with(&cluster, bench.seed, Crew::WITHOUT_CHECKERS, |_| {})
        .await?
        .alone_on(&cluster);
    let (orders, wanted) = bench.either((10, 30), (40, 4_000));
    discarded::lose_commits(&rig, "uncommitted", orders).await?;

    let (mut copies, mut kills) = (cluster.open_halves().await?, 0);
    while copies < wanted {
        anyhow::ensure!(kills < KILLS_MAX, "after {kills} kills there are {copies} half messages");
        tokio::time::sleep(LIVES).await;
        cluster.kill_broker().await;
        cluster.restart_broker().await?;
        kills += 1;
        copies = cluster.open_halves().await?;
    }

    let back = Instant::now();
    rig.windows.keep(TRANSACTION_CHECK, 1);
    let mut figures = judge_clean(&rig).await?;
    let recovered = back.elapsed();
    // The sweep may send an event before its half message is asked about: that is a copy.
    let made = figures.duplicate_copies;
    anyhow::ensure!(made <= orders, "{made} copies of {orders} orders");
    // A window writes its counts every ten seconds.
    eventually("copies are answered by the answer to another one", async || {
        Ok(rig.metric("ChecksRepeated")?.filter(|repeated| *repeated > 0.0))
    })
    .await?;
    figures.faults = kills;
    figures.add_measure("copies that the broker asked about", Measure::Count(copies));
    figures.add_measure("half messages that they are copies of", Measure::Count(orders));
    figures.add_measure("at rest after", Measure::Longest(recovered));
    rig.stop().await;
    Ok(figures)
}
