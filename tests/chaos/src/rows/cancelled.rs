//! C6: users cancel their orders while the stock is being reserved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures::stream::{self, StreamExt, TryStreamExt};
use harness::broker_proxy::Passage;
use harness::faults::{Point, Toxic};
use harness::remoting::code;
use harness::table_proxy::TableCall;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{OrderState, Records, judge_clean, rest};
use crate::rig::{CANCEL_ORDER, EVENT_CONSUMER, Rig};
use crate::waiting::eventually;

/// How many order and cancel at once.
const USERS: usize = 4;

/// The stock of an order is reserved some 20 to 100 ms after its creation.
const RACE: Duration = Duration::from_millis(120);

/// How long a consumer lives.
const LIFE: Duration = Duration::from_millis(700);

/// The share of lost acknowledgements, and of lost answers to the writes that cancel.
const LOST: f64 = 0.25;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    rest(&rig).await?;
    let orders = bench.either(5, 40);
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    for n in 0..orders {
        cancelled(&rig, &rig.settle(&format!("unread-{n}")).await?).await?;
    }
    rig.windows.keep(EVENT_CONSUMER, 2);
    for n in 0..orders {
        let order_id = rig.settle(&format!("confirmed-{n}")).await?;
        eventually("the order is confirmed", async || {
            let records = Records::read(&rig).await?;
            let order = records.orders.get(&order_id);
            Ok(order.is_some_and(|order| order.status == "CONFIRMED").then_some(()))
        })
        .await?;
        cancelled(&rig, &order_id).await?;
    }
    let lost = race(&rig, bench.either(40, 600)).await?;
    let mut figures = judge_clean(&rig).await?;
    let records = Records::read(&rig).await?;
    let cancelled_after = |changes: usize| {
        let orders = records.orders.values();
        let is_so = |order: &&_| is_cancelled_after(order, changes);
        u64::try_from(orders.filter(is_so).count()).map(Measure::Count)
    };
    figures.faults = lost;
    figures.add_measure("cancelled before they were reserved", cancelled_after(1)?);
    figures.add_measure("cancelled after that", cancelled_after(2)?);
    rig.stop().await;
    Ok(figures)
}

fn is_cancelled_after(order: &OrderState, changes: usize) -> bool {
    order.status == "CANCELLED" && order.history.len() == changes + 1
}

/// Requests an order's cancel until it is acknowledged.
async fn cancelled(rig: &Rig<'_>, order_id: &str) -> anyhow::Result<()> {
    eventually("the cancel is acknowledged", async || Ok(rig.cancel(order_id).await?.then_some(())))
        .await
}

/// Users cancel at about the time of the reservation, sometimes twice at once. Meanwhile consumers
/// die, and acknowledgements and answers to the writes that cancel are lost. Returns how many of
/// these faults happened.
async fn race(rig: &Rig<'_>, orders: u64) -> anyhow::Result<u64> {
    let acknowledges = |passage: &Passage| passage.frame.code == code::ACK_MESSAGE;
    let relay = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
    let acknowledgements =
        relay.rules().on(Point::Request, acknowledges).share(LOST, rig.seed).inflict(Toxic::Lose);
    let writes =
        |call: &TableCall| ["TransactWriteItems", "UpdateItem"].contains(&&*call.operation);
    let table = &rig.proxies_of(CANCEL_ORDER)?.table;
    let answers = table.on(Point::Response, writes).share(LOST, rig.seed).inflict(Toxic::Lose);
    let users = stream::iter(0..orders).map(anyhow::Ok).try_for_each_concurrent(USERS, async |n| {
        let mut random = Rng::with_seed(rig.seed ^ n);
        let order_id = rig.settle(&format!("raced-{n}")).await?;
        tokio::time::sleep(RACE.mul_f64(random.f64())).await;
        if random.u8(0..4) == 0 {
            let (one, other) = tokio::join!(rig.cancel(&order_id), rig.cancel(&order_id));
            one.and(other)?;
        }
        cancelled(rig, &order_id).await
    });
    let killed = AtomicU64::new(0);
    let kill = async || {
        tokio::time::sleep(LIFE).await;
        let instances = rig.system.host.instances(EVENT_CONSUMER)?;
        if let Some(busy) = instances.iter().find(|instance| instance.busy) {
            rig.system.host.kill_instance(EVENT_CONSUMER, busy.pid)?;
            killed.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    let killing = async {
        loop {
            if let Err(error) = kill().await {
                return error;
            }
        }
    };
    tokio::select! {
        raced = users => raced?,
        error = killing => return Err(error),
    }
    Ok(killed.into_inner() + acknowledgements.struck() + answers.struck())
}
