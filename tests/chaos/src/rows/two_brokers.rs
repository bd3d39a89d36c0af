//! G1: of two brokers, one is dead or does not answer.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::broker::{BROKER, SECOND_BROKER};
use harness::broker_proxy::Relay;
use harness::faults::{Point, Toxic};
use tokio::time::Instant;

use super::Bench;
use crate::cluster::Cluster;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, World, judge_clean, rest};
use crate::rig::{Crew, EVENT_CONSUMER, FAULT_LIMIT, Rig};
use crate::waiting::eventually;

/// One broker must not delay the other's events. They may take so much longer, which is less than
/// the time after which a request to a silent broker is given up.
const LONGER_AT_MOST: Duration = Duration::from_secs(3);

/// The same beside other rows, which may delay an event until the sweep or a check-back brings it.
/// The control takes more than 30 s longer.
const LONGER_AT_MOST_BESIDE: Duration = Duration::from_secs(15);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?.with_second_broker().await?;
    let second = cluster.second_broker().await?;
    let rig = Rig::start(&cluster, bench.seed).await?;
    let orders: u64 = bench.either(12, 40);
    let (mut slowest, mut returned) = ([Duration::ZERO; 3], Duration::ZERO);
    for round in 0..bench.either(1, 3) {
        rest(&rig).await?;
        slowest[0] = slowest[0].max(pace(&rig, &format!("both-{round}"), orders).await?);
        rest(&rig).await?;
        let relay = rig.proxies_of(EVENT_CONSUMER)?.broker.relay_before(&second)?;
        slowest[1] = slowest[1].max(beside_a_silent_one(&rig, relay, round, orders).await?);
        rest(&rig).await?;
        cluster.kill_second_broker().await;
        // Consumers that start now know only one broker.
        rig.kill_all(EVENT_CONSUMER).await?;
        slowest[2] = slowest[2].max(pace(&rig, &format!("dead-{round}"), orders).await?);
        cluster.restart_second_broker().await?;
        returned = returned.max(used_again(&rig, round).await?);
    }
    let mut figures = judge_clean(&rig).await?;
    let [both, silent, dead] = slowest;
    let longer_at_most = bench.either(LONGER_AT_MOST_BESIDE, LONGER_AT_MOST);
    let in_time = |took: Duration| took < both + longer_at_most;
    anyhow::ensure!(in_time(silent), "beside a silent broker it took {silent:?}");
    anyhow::ensure!(in_time(dead), "beside a dead broker it took {dead:?}");
    figures.faults = 2;
    figures.add_measure(
        "until the first broker's events were handled: both there",
        Measure::Longest(both),
    );
    figures.add_measure("the same beside a silent one", Measure::Longest(silent));
    figures.add_measure("the same beside a dead one", Measure::Longest(dead));
    figures.add_measure(
        "a second broker that is back has its events handled",
        Measure::Longest(returned),
    );
    rig.stop().await;
    // Only a long run can afford to start another system for the control.
    if bench.either(false, true) {
        let took = asked_in_turn(bench, &cluster, &second, orders).await?;
        anyhow::ensure!(took > both + LONGER_AT_MOST, "asked in turn, it took {took:?}");
        figures.add_measure(
            "control: the same beside a silent one, with brokers asked in turn",
            Measure::Longest(took),
        );
    }
    Ok(figures)
}

/// The control: event-consumer asks brokers in turn, and waits for the silent one each time.
async fn asked_in_turn(
    bench: Bench<'_>,
    cluster: &Cluster,
    second: &str,
    orders: u64,
) -> anyhow::Result<Duration> {
    let control = Rig::start_with(cluster, bench.seed, Crew::default(), |options| {
        Control::InTurn.stand_in(options);
    })
    .await?;
    rest(&control).await?;
    let relay = control.proxies_of(EVENT_CONSUMER)?.broker.relay_before(second)?;
    let took = beside_a_silent_one(&control, relay, 0, orders).await?;
    control.stop().await;
    Ok(took)
}

async fn on_second(rig: &Rig<'_>) -> anyhow::Result<usize> {
    Ok(World::copies_on(rig, SECOND_BROKER).await?.len())
}

/// Creates orders until the second broker holds further events. Returns how long it then takes
/// until these are handled.
pub(super) async fn used_again(rig: &Rig<'_>, round: u64) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let before = on_second(rig).await?;
    for n in 0.. {
        rig.settle(&format!("back-{round}-{n}")).await?;
        if on_second(rig).await? > before {
            break;
        }
        anyhow::ensure!(begun.elapsed() < FAULT_LIMIT, "the second broker is not used again");
    }
    rig.until_finished("the second broker's events are handled").await?;
    Ok(begun.elapsed())
}

/// [`pace`] with a broker that accepts event-consumer's connections and never answers. The time
/// until the consumer notices is not counted.
async fn beside_a_silent_one(
    rig: &Rig<'_>,
    relay: &Relay,
    round: u64,
    orders: u64,
) -> anyhow::Result<Duration> {
    let silence = relay.rules().on(Point::Request, |_| true).inflict(Toxic::Lose);
    eventually("the second broker is silent", async || Ok((silence.struck() > 0).then_some(())))
        .await?;
    let slowest = pace(rig, &format!("silent-{round}"), orders).await?;
    drop(silence);
    Ok(slowest)
}

/// Creates orders, and returns how long it took until those were decided whose events the first
/// broker holds.
async fn pace(rig: &Rig<'_>, prefix: &str, orders: u64) -> anyhow::Result<Duration> {
    let created = rig.create_all(prefix, orders).await;
    let begun = Instant::now();
    anyhow::ensure!(
        u64::try_from(created.len())? == orders,
        "{created:?} of {orders} were created"
    );
    // On a busy machine a broker may store a half message too late, and then the sweep sends the
    // event.
    let held = eventually("the first broker holds an event", async || {
        let copies = World::copies_on(rig, BROKER).await?;
        let held: BTreeSet<String> = copies.into_iter().map(|copy| copy.subject).collect();
        let held: Vec<_> = created.iter().filter(|order_id| held.contains(*order_id)).collect();
        Ok((!held.is_empty()).then_some(held))
    })
    .await?;
    eventually("the first broker's events are handled", async || {
        let records = Records::read(rig).await?;
        let is_decided = |order_id: &&String| {
            records.orders.get(*order_id).is_some_and(|order| order.status != "CREATED")
        };
        Ok(held.iter().all(is_decided).then_some(()))
    })
    .await?;
    Ok(begun.elapsed())
}
