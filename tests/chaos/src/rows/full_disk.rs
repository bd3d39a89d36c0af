//! G8: a broker's disk fills.

use std::time::Duration;

use application::ports::{Clock, Resolution};
use bytes::Bytes;
use harness::broker::{BrokerTuning, Disk, WhenFull};
use harness::publishing::{Refused, try_broker};
use harness::remoting::status;
use platform::clock::SystemClock;
use tokio::time::Instant;

use super::lost_disk::{AN_HOUR, events_on_topic, finished_and_waiting, replay};
use super::{Bench, inflating};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::eventually;

/// In percent. Above 85, and if its settings allow, a broker deletes its oldest files; above 90 it
/// refuses every message (`DefaultMessageStore.CleanCommitLogService`).
const NEARLY_FULL: u8 = 88;
const FULL: u8 = 95;
const HALF_FULL: u8 = 50;

/// After this time a broker checks its disk again (`MessageStoreConfig.cleanResourceInterval`).
const CLEANS_EVERY: Duration = Duration::from_secs(10);

/// As long as a broker accepts a body, with its properties. A file of the commit log has 16 MiB here,
/// and the newest file is never deleted.
pub(super) const LARGE: usize = 4 * 1024 * 1024 - 4096;
const LARGE_MESSAGES: u64 = 5;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let mut figures = refuses(bench).await?;
    // Only a long run can afford to start another broker for the control.
    if bench.either(false, true) {
        figures.merge(deletes(bench).await?);
    }
    Ok(figures)
}

/// A full disk with the setting that the operations guide asks for.
async fn refuses(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(fills(WhenFull::Refuse)).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let orders = bench.either(4, 40);
    let before = two_files_of_events(&rig, orders).await?;

    cluster.fill_disk(FULL).await?;
    eventually("the broker refuses messages", async || {
        // No half message: its rollback would be lost with the disk's last space.
        let Err(error) = try_broker(&rig.system.endpoints).await else { return Ok(None) };
        let code = error.downcast_ref::<Refused>().map(|refused| refused.code);
        anyhow::ensure!(code == Some(status::SERVICE_NOT_AVAILABLE), "{error:#}");
        Ok(Some(()))
    })
    .await?;
    let created = u64::try_from(rig.create_all("without-space", orders).await.len())?;
    anyhow::ensure!(created == orders, "{created} of {orders} were created on a full disk");
    // A broker with a full disk still delivers messages.
    rig.windows.keep(EVENT_CONSUMER, 2);
    eventually("orders whose events were stored before are confirmed", async || {
        let stored = Records::read(&rig).await?.orders;
        let undecided = stored.values().filter(|order| order.status == "CREATED").count();
        Ok((u64::try_from(undecided)? <= created).then_some(()))
    })
    .await?;

    // A broker that deletes files does so every 10 s.
    tokio::time::sleep(CLEANS_EVERY).await;
    let kept = events_on_topic(&rig).await?;
    anyhow::ensure!(kept >= before, "{kept} of {before} events are left on a full disk");
    cluster.fill_disk(HALF_FULL).await?;
    let freed = Instant::now();
    rig.until_finished("orders go on once there is space").await?;
    let recovered = freed.elapsed();
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 1;
    figures.add_measure("created on a full disk", Measure::Share { part: created, whole: orders });
    figures.add_measure("all handled once there was space", Measure::Longest(recovered));
    rig.stop().await;
    Ok(figures)
}

/// The control: RocketMQ's default deletes events that our own group and others have not read.
async fn deletes(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(fills(WhenFull::DeleteOldest)).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let since = SystemClock.now().minus(AN_HOUR);
    let before = two_files_of_events(&rig, bench.either(4, 40)).await?;

    cluster.fill_disk(NEARLY_FULL).await?;
    eventually("the broker deletes its oldest events", async || {
        Ok((events_on_topic(&rig).await? < before).then_some(()))
    })
    .await?;
    cluster.fill_disk(HALF_FULL).await?;
    let deleted = u64::try_from(before - events_on_topic(&rig).await?)?;
    rig.windows.keep(EVENT_CONSUMER, 2);
    let recovered = rig.until_finished("pending events come again").await?;
    let sent = replay(&rig, since).await?;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 1;
    figures.add_measure("control: events that the broker deleted", Measure::Count(deleted));
    figures.add_measure("control: pending events came again", Measure::Longest(recovered));
    figures.add_measure("control: events replayed", Measure::Count(sent));
    rig.stop().await;
    Ok(figures)
}

const fn fills(when_full: WhenFull) -> BrokerTuning {
    BrokerTuning { disk: Disk::Fills, when_full, ..Cluster::TUNING }
}

/// Creates finished orders, and others whose events nobody has read, until the broker has written
/// all these events to a file that is not its newest. Returns how many events are on the topic.
async fn two_files_of_events(rig: &Rig<'_>, orders: u64) -> anyhow::Result<usize> {
    rest(rig).await?;
    finished_and_waiting(rig, orders).await?;
    for number in 0..LARGE_MESSAGES {
        store(rig, number, LARGE).await?;
    }
    events_on_topic(rig).await
}

/// Stores a half message, and rolls it back.
pub(super) async fn store(rig: &Rig<'_>, number: u64, length: usize) -> anyhow::Result<()> {
    let body = (0, Bytes::from(vec![b'x'; length]));
    let half = inflating::store(rig, &rig.system.names.topic, number, body).await?;
    half.end(Resolution::Rollback).await
}
