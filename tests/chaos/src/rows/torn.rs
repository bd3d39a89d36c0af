//! G7: a broker is killed while it stores a half message.

use harness::broker::BrokerTuning;
use tokio::time::Instant;

use super::{Bench, discarded};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{Crew, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// RocketMQ's default: after a kill the broker compares only the checksum of bodies.
const BODIES_ALONE: BrokerTuning = BrokerTuning { whole_messages: false, ..Cluster::TUNING };

/// How often the broker must fail to ask about a half message that it has recovered.
const FAILURES: usize = 2;

/// The broker's log says this of a half message that does not name its own topic and queue
/// (`AbstractTransactionalMessageCheckListener.sendCheckMessage`).
const CANNOT_ASK: &str = "Send check message error!";

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start_with(&cluster, bench.seed, Crew::WITHOUT_CHECKERS, |_| {})
        .await?
        .alone_on(&cluster);
    let rounds = bench.either(1, 5);
    for round in 0..rounds {
        discarded::lose_commits(&rig, &format!("uncommitted-{round}"), 1).await?;
        cluster.store_torn_half().await?;
        cluster.restart_broker().await?;
    }
    let back = Instant::now();
    rig.windows.keep(TRANSACTION_CHECK, 1);
    let mut figures = judge_clean(&rig).await?;
    let recovered = back.elapsed();
    figures.faults = rounds;
    figures.add_measure("at rest after", Measure::Longest(recovered));
    rig.stop().await;
    // Only a long run can afford to start another broker for the control.
    if bench.either(false, true) {
        let failed = without_checksums(bench).await?;
        figures.add_measure("control: questions that the broker could not ask", failed);
    }
    Ok(figures)
}

/// The control: the broker recovers the half message, and can never ask about it.
async fn without_checksums(bench: Bench<'_>) -> anyhow::Result<Measure> {
    let cluster = bench.own_cluster(BODIES_ALONE).await?;
    let control = Rig::start_with(&cluster, bench.seed, Crew::WITHOUT_CHECKERS, |_| {})
        .await?
        .alone_on(&cluster);
    discarded::lose_commits(&control, "uncommitted", 1).await?;
    cluster.store_torn_half().await?;
    cluster.restart_broker().await?;
    control.windows.keep(TRANSACTION_CHECK, 1);
    let failed = eventually("the broker fails to ask about the torn half message", async || {
        let failed = cluster.transaction_log().await?.matches(CANNOT_ASK).count();
        Ok((failed >= FAILURES).then_some(failed))
    })
    .await?;
    let open = cluster.open_halves().await?;
    anyhow::ensure!(open > 0, "the control's broker has no half message");
    control.until_finished("its event comes by the sweep").await?;
    control.stop().await;
    Ok(Measure::Count(u64::try_from(failed)?))
}
