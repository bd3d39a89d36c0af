//! C2: events come twice and ten times, late and in any order.

use harness::faults::{Point, Toxic};
use harness::provision::rocketmq_config;
use harness::publishing::Publishing;
use harness::remoting::code;
use serde_json::Value;
use uuid::Uuid;

use super::Bench;
use super::window::tells_of_creation;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_as_it_is, judge_clean, rest};
use crate::rig::{Crew, EVENT_CONSUMER, Rig};
use crate::waiting::eventually;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    for n in 0..bench.either(3, 20) {
        rig.settle(&format!("order-{n}")).await?;
    }
    rest(&rig).await?;
    let copies = repeat(&rig).await?;
    let late: u64 = bench.either(1, 5);
    for n in 0..late {
        told_late(&rig, &format!("late-{n}")).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.note("customers told of events in another order", Measure::Count(late));
    let doubled = without_inbox(&bench).await?;
    figures.note("control: effects doubled without the inbox", Measure::Count(doubled));
    anyhow::ensure!(
        figures.duplicate_copies >= copies,
        "{} of {copies} copies are on the topic",
        figures.duplicate_copies
    );
    anyhow::ensure!(
        figures.duplicate_deliveries >= copies,
        "{} deliveries of {copies} copies were more than the first",
        figures.duplicate_deliveries
    );
    figures.faults = copies;
    rig.stop().await;
    Ok(figures)
}

/// An order of whose confirmation its customer is told before its creation, because each try of the
/// first is lost until then. Whoever reads the order sees them in the order of the events.
async fn told_late(rig: &Rig<'_>, key: &str) -> anyhow::Result<()> {
    let table = &rig.before(EVENT_CONSUMER)?.table;
    let lost = table.on(Point::Request, tells_of_creation).inflict(Toxic::Lose);
    let order_id = rig.settle(key).await?;
    let told = async || {
        let order = Records::read(rig).await?.orders.remove(&order_id);
        anyhow::Ok(order.map(|order| order.notifications).unwrap_or_default())
    };
    let first = eventually("the customer is told of the confirmation", async || {
        Ok(Some(told().await?).filter(|told| !told.is_empty()))
    })
    .await?;
    anyhow::ensure!(first == ["OrderConfirmed"], "the customer was told of {first:?} first");
    anyhow::ensure!(lost.struck() > 0, "no notification was lost");
    drop(lost);
    rest(rig).await?;
    let stored = told().await?;
    anyhow::ensure!(stored == ["OrderConfirmed", "OrderCreated"], "they are stored as {stored:?}");
    let order = rig.read_order(&order_id).await?;
    let read: Vec<_> = order
        .get("notifications")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|notification| notification.get("type")?.as_str())
        .collect();
    anyhow::ensure!(read == ["OrderCreated", "OrderConfirmed"], "they are read as {read:?}");
    Ok(())
}

/// How many effects happen more than once when notifications leave no inbox records.
async fn without_inbox(bench: &Bench<'_>) -> anyhow::Result<u64> {
    let control = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        Control::WithoutInbox.stand_in(options);
    })
    .await?;
    control.settle("order").await?;
    rest(&control).await?;
    repeat(&control).await?;
    let doubled = judge_as_it_is(&control).await?.figures.duplicate_effects;
    anyhow::ensure!(doubled > 0, "without the inbox, no effect happened twice");
    control.stop().await;
    Ok(doubled)
}

/// Publishes each message of the topic again, every other one once and the rest nine times, in a
/// random order, and waits until all of them were consumed. How many that were.
async fn repeat(rig: &Rig<'_>) -> anyhow::Result<u64> {
    let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
    let messages = rocketmq::admin::read_topic(config, &rig.system.names.topic).await?;
    let mut copies = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let body = String::from_utf8(message.body.clone())?;
        let times = if position % 2 == 0 { 1 } else { 9 };
        copies.extend(std::iter::repeat_n(body, times));
    }
    fastrand::Rng::with_seed(rig.seed).shuffle(&mut copies);
    let consumer = rig.before(EVENT_CONSUMER)?.broker.broker_relay();
    let before = consumer.passed_on(code::ACK_MESSAGE);
    let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
    for body in &copies {
        let event: serde_json::Value = serde_json::from_str(body)?;
        let id = event.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        publishing.publish(Uuid::parse_str(id)?, body).await?;
    }
    publishing.stop().await;
    let count = u64::try_from(copies.len())?;
    eventually("every copy was consumed", async || {
        let consumed = consumer.passed_on(code::ACK_MESSAGE) - before;
        Ok((consumed >= count).then_some(()))
    })
    .await?;
    Ok(count)
}
