//! D2, D3: a broker without an index of its messages, and one whose index lost the older ones when
//! it was killed, cannot find a message by its key.

use std::time::Duration;

use harness::broker::BrokerTuning;
use harness::broker_proxy::{FrameAnswer, Passage, frames};
use harness::faults::{Point, Standing, Toxic};
use harness::remoting::{code, status};

use super::{Bench, full_disk};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_as_it_is, judge_clean};
use crate::rig::{EVENT_CONSUMER, Rig, TRANSACTION_CHECK};
use crate::waiting::{PAST_THE_SWEEP, eventually};

/// A broker records every 2 s up to when its queues are written. When it was killed it begins with
/// the newest file whose first message is 3 s older than that (`StoreCheckpoint.getMinTimestamp`).
const FORGETFUL: BrokerTuning =
    BrokerTuning { whole_index: false, checkpoint_every_ms: 2_000, ..Cluster::TUNING };
const CHECKPOINT: Duration = Duration::from_secs(5);

/// Three files of the commit log, after the one that holds the orders' events.
const LARGE_MESSAGES: u64 = 12;

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
    let control = Rig::start(&cluster, bench.seed).await?;
    let hidden = hide_settings(&control)?;
    for rig in [&rig, &control] {
        rig.until_finished("the first order is finished").await?;
        rig.windows.keep(EVENT_CONSUMER, 0);
        rig.kill_all(EVENT_CONSUMER).await?;
    }
    cluster.restart_broker_with(WITHOUT_INDEX).await?;
    let orders = bench.either(5, 30);
    tokio::try_join!(rig.settle_all("order", orders), control.settle_all("order", orders))?;
    tokio::time::sleep(PAST_THE_SWEEP).await;
    let again = sent_again(&control, orders).await?;
    anyhow::ensure!(hidden.struck() > 0, "the control did not ask for the broker's settings");
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
    figures.add_measure("control: copies, with the broker's settings hidden", again);
    // Until now it ended its half messages, which the broker counts with the other system's.
    control.stop().await;
    rig.stop().await;
    Ok(figures)
}

/// D3. A killed broker deletes its newest file of the index, which holds up to 20 million keys
/// (`IndexService.load`). Without `messageIndexSafe` it then indexes only what is in its newest files
/// of the commit log (`CommitLog.isMappedFileMatchedRecover`).
pub(super) async fn killed(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let tuning = BrokerTuning { whole_index: true, ..FORGETFUL };
    let (mut figures, copies) = killed_with_a_backlog(bench, tuning).await?;
    anyhow::ensure!(copies == 0, "{copies} copies of events that were on their topic");
    // Only a long run can afford to start another broker for the control.
    if bench.either(false, true) {
        let (_, copies) = killed_with_a_backlog(bench, FORGETFUL).await?;
        anyhow::ensure!(copies > 0, "a broker without the setting still finds its messages");
        figures.add_measure("control: copies, without messageIndexSafe", Measure::Count(copies));
    }
    Ok(figures)
}

/// Returns how many copies there are after the sweep has asked for each event.
async fn killed_with_a_backlog(
    bench: Bench<'_>,
    tuning: BrokerTuning,
) -> anyhow::Result<(Figures, u64)> {
    let cluster = bench.own_cluster(tuning).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    rig.until_finished("the first order is finished").await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    rig.settle_all("order", bench.either(5, 30)).await?;
    for number in 0..LARGE_MESSAGES {
        full_disk::store(&rig, number, full_disk::LARGE).await?;
    }
    tokio::time::sleep(CHECKPOINT).await;
    full_disk::store(&rig, LARGE_MESSAGES, 1).await?;
    tokio::time::sleep(CHECKPOINT).await;
    cluster.kill_broker().await;
    cluster.restart_broker().await?;
    tokio::time::sleep(PAST_THE_SWEEP).await;
    let copies = judge_as_it_is(&rig).await?.figures.duplicate_copies;
    rig.windows.keep(EVENT_CONSUMER, 2);
    rig.until_finished("orders are finished after the kill").await?;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 1;
    rig.stop().await;
    Ok((figures, copies))
}

/// The control: transaction-check cannot find out that the broker keeps no index, so it believes
/// that the broker has none of the messages for which it asks.
fn hide_settings(control: &Rig<'_>) -> anyhow::Result<Standing<Passage>> {
    let broker = &control.proxies_of(TRANSACTION_CHECK)?.broker;
    let refused = FrameAnswer {
        code: status::NO_PERMISSION,
        remark: "its settings are not shown to this user".to_owned(),
    };
    let settings = frames(code::GET_BROKER_CONFIG);
    Ok(broker.on(Point::Request, settings).inflict(Toxic::Answer(refused)))
}

/// Waits until the topic has a copy for each order.
async fn sent_again(control: &Rig<'_>, orders: u64) -> anyhow::Result<Measure> {
    eventually("the control sends events again that are on their topic", async || {
        let copies = judge_as_it_is(control).await?.figures.duplicate_copies;
        Ok((copies >= orders).then_some(Measure::Count(copies)))
    })
    .await
}
