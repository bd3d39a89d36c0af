//! B5: the name server is down.

use std::time::Duration;

use harness::broker::cluster_info;
use tokio::time::Instant;

use super::Bench;
use crate::client::Outcome;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, EVENT_CONSUMER, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// create-order's time-out in the template. An answer comes before it.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Those that ask it.
const FUNCTIONS: [&str; 3] = [CREATE_ORDER, TRANSACTION_CHECK, EVENT_CONSUMER];

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let mut registered = Duration::ZERO;
    let rounds: u64 = bench.either(1, 8);
    for round in 0..rounds {
        eventually("the route is known", async || {
            let (_, with_half) = rig.place_with_half(&format!("warm-{round}")).await?;
            Ok(with_half.then_some(()))
        })
        .await?;
        cluster.kill_namesrv().await;
        let left = cluster_info(cluster.namesrv()).await;
        anyhow::ensure!(left.is_err(), "the name server lives on");
        // As the port of a dead process does; a proxy would take the connection first.
        for function in FUNCTIONS {
            rig.before(function)?.broker.namesrv_relay().refuse().await?;
        }
        let (known, with_half) = rig.place_with_half(&format!("known-{round}")).await?;
        anyhow::ensure!(with_half, "a known route did not serve on: {known:?}");

        rig.kill_all(CREATE_ORDER).await?;
        let (cold, with_half) = rig.place_with_half(&format!("cold-{round}")).await?;
        anyhow::ensure!(!with_half, "a cold start knew its route without a name server");
        let honest = matches!(
            cold,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "a cold start without a name server: {cold:?}");
        let restarted = Instant::now();
        cluster.restart_namesrv().await?;
        registered = registered.max(restarted.elapsed());
        for function in FUNCTIONS {
            rig.before(function)?.broker.namesrv_relay().accept().await?;
        }
        rest(&rig).await?;
    }
    let entries = rig.log.entries();
    let cold = entries.iter().filter(|entry| entry.key.starts_with("cold"));
    let slowest = cold.map(|entry| entry.took).max().unwrap_or_default();
    anyhow::ensure!(slowest < TIME_OUT, "a cold start took {slowest:?}");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    figures.note("cold start answered within", Measure::Longest(slowest));
    figures.note("broker registered again within", Measure::Longest(registered));
    rig.stop().await;
    Ok(figures)
}
