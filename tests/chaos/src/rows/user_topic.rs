//! U1: users' events cannot be sent, because their topic is missing.

use std::time::Duration;

use harness::provision::{create_topics, delete_topic};
use tokio::time::Instant;

use super::Bench;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::Rig;
use crate::waiting::eventually;

/// Less than a look of the sweep takes if each event times out.
const FINISHED_WITHIN: Duration = Duration::from_secs(20);

/// The same beside other rows: a look of the sweep at 20 events that time out takes a minute.
const FINISHED_WITHIN_BESIDE: Duration = Duration::from_secs(45);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let names = &rig.system.names;
    delete_topic(&rig.system.endpoints, cluster.broker(), &names.user_topic).await?;
    let gone = Instant::now();
    // An account allows 60 logins in a row, and some were used to probe the system.
    let logins: u64 = bench.either(20, 50);
    for _ in 0..logins {
        rig.log_in().await?;
    }
    let mut slowest = Duration::ZERO;
    for round in 0..bench.either(3, 10) {
        rig.create_all(&format!("order-{round}"), 3).await;
        slowest = slowest.max(rig.until_finished("orders are finished").await?);
    }
    let limit = bench.either(FINISHED_WITHIN_BESIDE, FINISHED_WITHIN);
    anyhow::ensure!(slowest < limit, "orders were finished after {slowest:?}");
    eventually("a metric says that events can't be sent", async || {
        let deferred = rig.metric("EventsDeferred")?;
        Ok(deferred.is_some_and(|deferred| deferred > 0.0).then_some(()))
    })
    .await?;
    // This takes two minutes; the short form of row W1 waits for it.
    let known =
        if bench.either(false, true) { Some(until_health_says_so(&rig).await?) } else { None };
    create_topics(&rig.system.endpoints, names).await?;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = logins;
    figures.add_measure("orders finished within", Measure::Longest(slowest));
    if let Some(known) = known {
        figures.add_measure("until health said so", Measure::Longest(known.duration_since(gone)));
    }
    rig.stop().await;
    Ok(figures)
}

async fn until_health_says_so(rig: &Rig<'_>) -> anyhow::Result<Instant> {
    eventually("health says that something is late", async || {
        let (_, health) = rig.get("/health/ready").await?;
        Ok(health.to_string().contains("pending for more than").then_some(()))
    })
    .await?;
    Ok(Instant::now())
}
