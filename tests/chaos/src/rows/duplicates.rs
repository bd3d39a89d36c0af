//! C2: events come twice and ten times, late and in any order.

use anyhow::Context;
use contracts::message::AGGREGATE;
use domain::aggregate::AggregateKey;
use harness::faults::{Point, Toxic};
use harness::order_calls::reserves;
use harness::provision::rocketmq_config;
use harness::publishing::Publishing;
use harness::remoting::code;
use serde_json::Value;
use uuid::Uuid;

use super::Bench;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{OrderState, Records, World, judge_as_it_is, judge_clean, rest};
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
        created_late(&rig, &format!("late-{n}")).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.add_measure("confirmations that waited for a late creation", Measure::Count(late));
    let doubled = without_guard(&bench).await?;
    figures.add_measure("control: effects doubled without the guards", Measure::Count(doubled));
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

/// Creates an order whose `OrderCreated` is handled late, because each try before is lost. One
/// write confirms the order and notifies the user of its creation, so nothing of the confirmation
/// exists before it. A reader of the order sees both notifications in the order of the events.
async fn created_late(rig: &Rig<'_>, key: &str) -> anyhow::Result<()> {
    let table = &rig.proxies_of(EVENT_CONSUMER)?.table;
    let lost = table.on(Point::Request, reserves).inflict(Toxic::Lose);
    let order_id = rig.settle(key).await?;
    let stored = async || {
        let order = Records::read(rig).await?.orders.remove(&order_id);
        order.context("the order is gone")
    };
    eventually("a delivery has failed", async || {
        let has_failed = |order: &OrderState| order.pending.values().any(|e| e.failures > 0);
        Ok(has_failed(&stored().await?).then_some(()))
    })
    .await?;
    let order = stored().await?;
    let is_untouched = order.status == "CREATED" && order.notifications.is_empty();
    anyhow::ensure!(is_untouched, "an order without a handled event is {order:?}");
    let copies = World::copies(rig).await?;
    let confirmed =
        copies.iter().any(|copy| copy.subject == order_id && copy.event_type == "OrderConfirmed");
    anyhow::ensure!(!confirmed, "a confirmation came before the end of the creation");
    anyhow::ensure!(lost.struck() > 0, "no reservation was lost");
    drop(lost);
    rest(rig).await?;
    let events = ["OrderCreated", "OrderConfirmed"];
    let order = stored().await?;
    anyhow::ensure!(order.notified() == events, "they are stored as {order:?}");
    let at = events.map(|event| order.notifications.get(order.event(event)?).copied());
    anyhow::ensure!(at.is_sorted(), "its user was notified of them at {at:?}");
    let order = rig.read_order(&order_id).await?;
    let read: Vec<_> = order
        .get("notifications")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|notification| notification.get("type")?.as_str())
        .collect();
    anyhow::ensure!(read == events, "they are read as {read:?}");
    Ok(())
}

/// How many effects happen more than once without their conditions.
async fn without_guard(bench: &Bench<'_>) -> anyhow::Result<u64> {
    let control = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        Control::WithoutGuard.stand_in(options);
    })
    .await?;
    control.settle("order").await?;
    rest(&control).await?;
    repeat(&control).await?;
    let doubled = judge_as_it_is(&control).await?.figures.duplicate_effects;
    anyhow::ensure!(doubled > 0, "without the guards, no effect happened twice");
    control.stop().await;
    Ok(doubled)
}

/// Publishes each message of the topic again, every other one once and the rest nine times, in
/// random order. Returns how many, once all of them were consumed.
async fn repeat(rig: &Rig<'_>) -> anyhow::Result<u64> {
    let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
    let messages = rocketmq::admin::read_topic(config, &rig.system.names.topic).await?;
    let mut copies = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let body = String::from_utf8(message.body.clone())?;
        // Without this property a consumer does not know the event's aggregate.
        let aggregate = message.properties.get(AGGREGATE).context("an event of no aggregate")?;
        let aggregate: AggregateKey = aggregate.parse()?;
        let times = if position % 2 == 0 { 1 } else { 9 };
        copies.extend(std::iter::repeat_n((aggregate, body), times));
    }
    fastrand::Rng::with_seed(rig.seed).shuffle(&mut copies);
    let consumer = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
    let before = consumer.passed_on(code::ACK_MESSAGE);
    let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
    for (aggregate, body) in &copies {
        let event: serde_json::Value = serde_json::from_str(body)?;
        let id = event.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        publishing.publish(Uuid::parse_str(id)?, Some(*aggregate), body).await?;
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
