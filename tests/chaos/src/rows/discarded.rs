//! P9: nobody answers check-backs until the broker discards the half message.

use application::ports::ClusterGauges;
use harness::broker::BrokerTuning;
use harness::broker_proxy::frames;
use harness::faults::{Point, Toxic};
use harness::provision::rocketmq_config;
use harness::remoting::code;
use tokio::time::Instant;

use super::Bench;
use crate::cluster::Cluster;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_as_it_is, judge_clean};
use crate::rig::{CREATE_ORDER, Crew, Rig, TRANSACTION_CHECK};
use crate::waiting::{PAST_THE_SWEEP, eventually};

/// The topic of discarded half messages (`TopicValidator.java`).
const DISCARDED: &str = "TRANS_CHECK_MAX_TIME_TOPIC";

/// Few rounds, so that the broker discards a half message within seconds.
const TUNING: BrokerTuning = BrokerTuning { check_max: 3, ..Cluster::TUNING };

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(TUNING).await?;
    let orders = bench.either(2, 10);
    // The broker's own count leaves out discarded half messages, so the rig waits for that count.
    let product = Rig::start_with(&cluster, bench.seed, Crew::WITHOUT_CHECKERS, |_| {})
        .await?
        .alone_on(&cluster);
    let control = Rig::start_with(&cluster, bench.seed, Crew::WITHOUT_CHECKERS, |options| {
        Control::WithoutSweep.stand_in(options);
    })
    .await?;
    let begun = Instant::now();
    let (one, other) = tokio::join!(
        lose_commits(&product, "uncommitted", orders),
        lose_commits(&control, "uncommitted", orders)
    );
    let faults = one? + other?;
    let discarded = until_discarded(&product, faults).await?;
    let shown = gauge(&product).await?;
    anyhow::ensure!(shown == discarded, "the gauge shows {shown} of {discarded}");

    let back = Instant::now();
    product.windows.keep(TRANSACTION_CHECK, 1);
    control.windows.keep(TRANSACTION_CHECK, 1);
    let mut figures = judge_clean(&product).await?;
    let recovered = back.elapsed();
    // The control gets the same time: an event that no consumer has received by then is never
    // received.
    tokio::time::sleep_until(begun + PAST_THE_SWEEP).await;
    let lost = judge_as_it_is(&control).await?.figures.lost;
    anyhow::ensure!(lost >= orders, "without the sweep, {lost} of {orders} were lost");

    figures.faults = orders;
    figures.add_measure("half messages discarded", Measure::Count(discarded));
    figures.add_measure("recovered after", Measure::Longest(recovered));
    figures.add_measure(
        "control: lost without the sweep",
        Measure::Share { part: lost, whole: orders },
    );
    control.stop().await;
    product.stop().await;
    Ok(figures)
}

/// Keys begin with `prefix`.
pub(super) async fn lose_commits(rig: &Rig<'_>, prefix: &str, orders: u64) -> anyhow::Result<u64> {
    let broker = &rig.proxies_of(CREATE_ORDER)?.broker;
    let lost = broker.on(Point::Request, frames(code::END_TRANSACTION)).inflict(Toxic::Lose);
    // On a slow machine an order may be created without the broker, and then has no commit to lose.
    for n in 0..10 * orders {
        if lost.struck() >= orders {
            break;
        }
        let outcome = rig.create(&format!("{prefix}-{n}")).await;
        anyhow::ensure!(outcome.acked().is_some(), "a stored order was answered {outcome:?}");
    }
    anyhow::ensure!(lost.struck() >= orders, "the commits were not lost");
    Ok(orders)
}

/// The metric with the alarm, read from the broker.
async fn gauge(rig: &Rig<'_>) -> anyhow::Result<u64> {
    rig.ask_broker(async |broker, within| Ok(broker.half_messages_discarded(within()).await?)).await
}

async fn until_discarded(rig: &Rig<'_>, expected: u64) -> anyhow::Result<u64> {
    let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
    eventually("the half messages are discarded", async || {
        // The topic is created by its first message.
        let messages = rocketmq::admin::read_topic(config.clone(), DISCARDED).await;
        let count = u64::try_from(messages.unwrap_or_default().len())?;
        Ok((count >= expected).then_some(count))
    })
    .await
}
