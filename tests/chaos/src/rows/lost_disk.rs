//! G3, G4: a broker whose disk is lost, or that was replaced by an empty broker of its name; a
//! power cut that removes the data that was not flushed.

mod other_team;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use application::events::publish::PublishStored;
use application::operations::replay_since::ReplaySince;
use application::operations::republish::{Republish, RepublishError};
use application::ports::Clock;
use domain::timestamp::Timestamp;
use harness::broker::{BrokerTuning, Disk, Flush};
use harness::provision::{create_topics, rocketmq_config};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;
use tokio::time::Instant;

use self::other_team::OtherTeam;
use super::Bench;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, World, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig, order_key};

const EVENTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// Within this time our group receives again what the broker still has, and the rest is published
/// again.
const COME_AGAIN_WITHIN: Duration = Duration::from_secs(180);

/// Longer than this row takes.
pub(super) const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// G3.
pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let since = SystemClock.now().minus(AN_HOUR);
    finished_and_waiting(&rig, bench.either(5, 50)).await?;

    cluster.lose_store().await?;
    cluster.restart_broker().await?;
    let back = Instant::now();
    create_topics(&rig.system.endpoints, &rig.system.names).await?;
    let left = World::copies(&rig).await?.len();
    anyhow::ensure!(left == 0, "{left} events outlived the disk");
    rig.windows.keep(EVENT_CONSUMER, 2);
    rig.until_finished("pending events come again").await?;
    let recovered = back.elapsed();

    let without_replay = events_on_topic(&rig).await?;
    let sent = replay(&rig, since).await?;
    let with_replay = events_on_topic(&rig).await?;
    anyhow::ensure!(without_replay < with_replay, "the replay brought nothing that was lost");
    // Every event of every order is on the topic again: the judge finds none that is lost.
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 1;
    figures.add_measure("pending events came again within", Measure::Longest(recovered));
    let lost = u64::try_from(with_replay - without_replay)?;
    figures.add_measure("handled events that the disk took along", Measure::Count(lost));
    figures.add_measure("events replayed", Measure::Count(sent));
    rig.stop().await;
    Ok(figures)
}

/// Creates `orders` finished orders, and as many others. Only another team's group, which has not
/// read them yet, still needs the events of the finished orders. The other orders' events have not
/// reached our own group, which is left without a consumer.
pub(super) async fn finished_and_waiting(rig: &Rig<'_>, orders: u64) -> anyhow::Result<()> {
    rig.settle_all("finished", orders).await?;
    rig.until_finished("the first orders are finished").await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    rig.settle_all("waiting", orders).await
}

/// Copies do not count.
pub(super) async fn events_on_topic(rig: &Rig<'_>) -> anyhow::Result<usize> {
    Ok(ids_on_topic(rig).await?.len())
}

async fn ids_on_topic(rig: &Rig<'_>) -> anyhow::Result<BTreeSet<String>> {
    Ok(World::copies(rig).await?.into_iter().map(|copy| copy.event_id).collect())
}

/// G4. A cut certainly takes events from a broker that flushes them 30 s after their
/// acknowledgement, and after that it takes the sweep a minute to send them: only a long run can
/// afford that control of `SYNC_FLUSH`.
pub(super) async fn power_cut(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for flush in [Flush::Sync, bench.either(Flush::Async, Flush::Late)] {
        figures.merge(cut(bench, flush).await?);
    }
    Ok(figures)
}

async fn cut(bench: Bench<'_>, flush: Flush) -> anyhow::Result<Figures> {
    let tuning = BrokerTuning { flush, disk: Disk::LosesPower, ..Cluster::TUNING };
    let cluster = bench.own_cluster(tuning).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    rest(&rig).await?;
    let since = SystemClock.now().minus(AN_HOUR);
    let rounds = bench.either(1, 2);
    let mut others = OtherTeam::join(&rig).await?;
    let (mut lost, mut republished) = (0, 0);
    for round in 0..rounds {
        // Another team's group has read half of these events, and our own group another half.
        rig.create_all(&format!("handled-{round}"), 8).await;
        rig.until_finished("the first orders are finished").await?;
        others.read(&rig, 8).await?;
        rig.windows.keep(EVENT_CONSUMER, 0);
        rig.kill_all(EVENT_CONSUMER).await?;
        rig.create_all(&format!("waiting-{round}"), 8).await;
        let before = events_on_topic(&rig).await?;
        cluster.cut_power().await?;
        cluster.restart_broker().await?;
        create_topics(&rig.system.endpoints, &rig.system.names).await?;
        lost += before.saturating_sub(events_on_topic(&rig).await?);
        rig.windows.keep(EVENT_CONSUMER, 2);
        republished += handled(&rig, flush).await?;
    }
    let sent = replay(&rig, since).await?;
    // What was lost has come again: to our handlers by the sweep or an operator, and to the other
    // group by the replay.
    let missed = missed(&rig, &mut others, flush).await?;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    let as_expected = match flush {
        Flush::Sync => lost == 0,
        Flush::Async => true,
        Flush::Late => lost > 0,
    };
    anyhow::ensure!(as_expected, "{lost} events were lost with {flush:?}");
    let taken = match flush {
        Flush::Sync => "events that a cut took: SYNC_FLUSH",
        Flush::Async => "events that a cut took: ASYNC_FLUSH",
        Flush::Late => "control: events that a cut took: ASYNC_FLUSH, every 30 s",
    };
    figures.add_measure(taken, Measure::Count(u64::try_from(lost)?));
    if flush != Flush::Sync {
        let republished = Measure::Count(republished);
        figures.add_measure("events that an operator published again: ASYNC_FLUSH", republished);
        let missed = Measure::Count(u64::try_from(missed)?);
        figures.add_measure("events that another group got once it was set back", missed);
    }
    figures.add_measure("events replayed", Measure::Count(sent));
    rig.stop().await;
    Ok(figures)
}

/// How many events the other group was not given before it was set back: its position, too, may
/// lie behind the end of a queue. After that, none.
async fn missed(rig: &Rig<'_>, others: &mut OtherTeam, flush: Flush) -> anyhow::Result<usize> {
    let events = ids_on_topic(rig).await?;
    let missed = others.read_all(rig, &events).await?;
    if missed > 0 {
        anyhow::ensure!(flush != Flush::Sync, "another group was not given {missed} events");
        others.set_back(rig).await?;
        let left = others.read_all(rig, &events).await?;
        anyhow::ensure!(left == 0, "another group that was set back was not given {left} events");
    }
    Ok(missed)
}

/// Waits until everything is handled. Returns how many events an operator had to publish again.
///
/// With `ASYNC_FLUSH`, some events on the topic may never reach our group: the cut does not remove
/// the file with the group's position, which may then lie behind the end of a queue. The sweep
/// publishes these events again after 75 minutes, and an alarm makes an operator do it sooner.
async fn handled(rig: &Rig<'_>, flush: Flush) -> anyhow::Result<u64> {
    let waited = rig.until_finished_within(COME_AGAIN_WITHIN, "pending events come again").await;
    match (flush, waited) {
        (_, Ok(_)) => return Ok(0),
        (Flush::Sync, Err(error)) => return Err(error),
        (Flush::Async | Flush::Late, Err(_)) => {}
    }
    let republished = republish(rig).await?;
    rig.until_finished("events that an operator has published again are handled").await?;
    Ok(republished)
}

/// Publishes every pending event again, as `ops events republish` does. Returns how many.
async fn republish(rig: &Rig<'_>) -> anyhow::Result<u64> {
    let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
    let publisher = RocketmqPublisher::start(config, SystemClock).await?;
    let republish = Republish {
        aggregates: rig.aggregates()?,
        publication: PublishStored { publisher: publisher.clone(), clock: SystemClock },
        identities: UuidIdentitySource,
    };
    let records = Records::read(rig).await?;
    let mut republished = 0;
    for (order_id, event_id, _) in records.pending() {
        match republish.republish(order_key(order_id)?.into(), event_id.parse()?).await {
            Ok(_) => republished += 1,
            Err(RepublishError::NotPending) => {}
            Err(error) => return Err(error.into()),
        }
    }
    drop(republish);
    publisher.shutdown().await;
    Ok(republished)
}

/// Sends every event since `since` again. Returns how many.
pub(super) async fn replay(rig: &Rig<'_>, since: Timestamp) -> anyhow::Result<u64> {
    let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
    let publisher = RocketmqPublisher::start(config, SystemClock).await?;
    let replay = ReplaySince {
        aggregates: rig.aggregates()?,
        publication: PublishStored { publisher: publisher.clone(), clock: SystemClock },
        identities: UuidIdentitySource,
        events_per_second: EVENTS_PER_SECOND,
    };
    let (summary, ended) = replay.run(since, |_| ()).await;
    ended?;
    // The client is shut down with its last user.
    drop(replay);
    publisher.shutdown().await;
    Ok(summary.sent)
}
