//! F6: as many unreadable bodies as orders, all at once.

use std::time::Duration;

use application::ports::Resolution;
use futures::stream::{self, TryStreamExt};

use super::Bench;
use super::inflating::{Body, store, unreadable_bodies};
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, MANY_AT_ONCE, Rig};
use crate::waiting::eventually_within;

/// Beside the flood, relative to the orders alone.
const LONGER_AT_MOST: u32 = 2;

/// What is added to this beside other rows: less than the 20 s after which a broker delivers again
/// what a reader has left behind a body that it could not read.
const LONGER_BESIDE: Duration = Duration::from_secs(15);

/// For a thousand orders, or as many dead letters, on a slow machine.
const LIMIT: Duration = Duration::from_secs(600);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let orders: u64 = bench.either(40, 1_000);
    let alone = handled(&rig, "alone", orders, Vec::new()).await?;
    let bodies = unreadable_bodies()?.into_iter().cycle().take(usize::try_from(orders)?);
    let beside = handled(&rig, "beside", orders, bodies.collect()).await?;
    let limit = alone * LONGER_AT_MOST + bench.either(LONGER_BESIDE, Duration::ZERO);
    anyhow::ensure!(
        beside <= limit,
        "{orders} orders took {alone:?} alone, and {beside:?} beside a flood"
    );
    eventually_within(LIMIT, "every such body is dead-lettered", async || {
        let letters = Records::read(&rig).await?.dead_letters;
        Ok((u64::try_from(letters.len())? >= orders).then_some(()))
    })
    .await?;

    let mut figures = judge_clean(&rig).await?;
    let letters = u64::try_from(Records::read(&rig).await?.dead_letters.len())?;
    anyhow::ensure!(letters == orders, "{letters} letters of {orders} bodies");
    figures.faults = orders;
    figures.add_measure("dead letters", Measure::Count(letters));
    figures.add_measure("all orders were finished within: alone", Measure::Longest(alone));
    figures.add_measure("all orders were finished within: beside", Measure::Longest(beside));
    rig.stop().await;
    Ok(figures)
}

/// Creates orders and publishes bodies while nothing is consumed. Returns how long event-consumer
/// then takes to finish every order.
async fn handled(
    rig: &Rig<'_>,
    prefix: &str,
    orders: u64,
    bodies: Vec<Body>,
) -> anyhow::Result<Duration> {
    rest(rig).await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    let publish = stream::iter((0..).zip(bodies).map(anyhow::Ok)).try_for_each_concurrent(
        MANY_AT_ONCE,
        async |(number, body)| {
            let topic = &rig.system.names.topic;
            store(rig, topic, number, body).await?.end(Resolution::Commit).await
        },
    );
    // At the same time, so that orders and bodies alternate.
    let (published, created) = tokio::join!(publish, rig.create_many(prefix, orders));
    published?;
    anyhow::ensure!(created == orders, "{created} of {orders} orders were created");
    rig.windows.keep(EVENT_CONSUMER, 1);
    rig.until_finished_within(LIMIT, "all orders are finished").await
}
