//! D2: a broker without an index of its messages cannot find a message by its key.

use harness::broker::BrokerTuning;

use super::Bench;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::PAST_THE_SWEEP;

const WITHOUT_INDEX: BrokerTuning = BrokerTuning { message_index: false, ..Cluster::TUNING };

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(WITHOUT_INDEX).await?;
    // The system creates no topics on such a broker.
    let error = match Rig::start(&cluster, bench.seed).await {
        Ok(_) => anyhow::bail!("a system was set up on a broker without an index"),
        Err(error) => format!("{error:#}"),
    };
    anyhow::ensure!(error.contains("messageIndexEnable=true"), "it was refused with {error}");

    // The broker loses its index later, while events wait for their consumer.
    cluster.restart_broker_with(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    rig.until_finished("the first order is finished").await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    cluster.restart_broker_with(WITHOUT_INDEX).await?;
    let orders = bench.either(5, 30);
    let created = rig.create_all("order", orders).await.len();
    anyhow::ensure!(u64::try_from(created)? == orders, "{created} of {orders} orders were created");
    tokio::time::sleep(PAST_THE_SWEEP).await;
    let lines = rig.lines_with("messageIndexEnable=true")?;
    anyhow::ensure!(lines > 0, "no log line says what is wrong with the broker");
    rig.windows.keep(EVENT_CONSUMER, 2);
    rig.until_finished("orders are finished without an index").await?;
    cluster.restart_broker_with(Cluster::TUNING).await?;
    let mut figures = judge_clean(&rig).await?;
    let copies = figures.duplicate_copies;
    anyhow::ensure!(copies == 0, "{copies} copies of events that were on their topic");
    figures.faults = orders;
    figures.add_measure("lines that say what to set", Measure::Count(u64::try_from(lines)?));
    rig.stop().await;
    Ok(figures)
}
