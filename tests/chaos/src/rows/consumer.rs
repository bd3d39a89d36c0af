//! C1: event-consumer dies before, after and amid its calls.

use anyhow::Context;
use harness::broker_proxy::frames;
use harness::faults::Point;
use harness::order_calls::{ends_alone, reads_order, reserves};
use harness::remoting::code;
use harness::table_proxy::TableCall;

use super::Bench;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_as_it_is, judge_clean, rest};
use crate::rig::{Crew, EVENT_CONSUMER, FAULT_LIMIT, Rig};
use crate::waiting::eventually;

pub(super) async fn dies(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let crew = Crew { consumers: 1, ..Crew::default() };
    let rig = Rig::start_with(bench.cluster, bench.seed, crew, |_| {}).await?;
    let rounds: u64 = bench.either(1, 4);
    let mut deaths = 0;
    for round in 0..rounds {
        for step in Step::ALL {
            for point in [Point::Request, Point::Response] {
                let key = format!("{step:?}-{point:?}-{round}");
                amid_step(&rig, &key, step, point).await?;
                deaths += 1;
            }
        }
        amid_batch(&rig, &format!("batch-{round}"), bench.either(5, 20)).await?;
        deaths += 1;
        rest(&rig).await?;
    }
    let consumer = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
    let mut figures = judge_clean(&rig).await?;
    let doubled = Measure::Count(without_guard(&bench).await?);
    figures.add_measure("control: effects doubled without the guards", doubled);
    figures.faults = deaths;
    anyhow::ensure!(
        figures.duplicate_deliveries >= deaths,
        "{} deliveries were more than the first",
        figures.duplicate_deliveries
    );
    let acks = consumer.passed_on(code::ACK_MESSAGE);
    figures.add_measure("acknowledgements", Measure::Count(acks));
    rig.stop().await;
    Ok(figures)
}

/// How many effects happen more than once without their conditions, when the consumer dies with an
/// effect stored.
async fn without_guard(bench: &Bench<'_>) -> anyhow::Result<u64> {
    let crew = Crew { consumers: 1, ..Crew::default() };
    let control = Rig::start_with(bench.cluster, bench.seed, crew, |options| {
        Control::WithoutGuard.stand_in(options);
    })
    .await?;
    amid_step(&control, "control", Step::Inventory, Point::Response).await?;
    let doubled = eventually("the event comes again", async || {
        let doubled = judge_as_it_is(&control).await?.figures.duplicate_effects;
        Ok((doubled > 0).then_some(doubled))
    })
    .await
    .context("without the guards, no effect happened twice")?;
    control.stop().await;
    Ok(doubled)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Reading,
    /// Stock is reserved, the order confirmed, its user notified of `OrderCreated`, and that event
    /// ended.
    Inventory,
    /// The user is notified of `OrderConfirmed`, and that event ended.
    Notification,
}

impl Step {
    const ALL: [Self; 3] = [Self::Reading, Self::Inventory, Self::Notification];

    fn is_made_by(self, call: &TableCall) -> bool {
        match self {
            Self::Reading => reads_order(call),
            Self::Inventory => reserves(call),
            Self::Notification => ends_alone(call),
        }
    }
}

/// The consumer dies while the call of a step is on its way to the table, or the answer on its way
/// back.
async fn amid_step(rig: &Rig<'_>, key: &str, step: Step, point: Point) -> anyhow::Result<()> {
    let table = &rig.proxies_of(EVENT_CONSUMER)?.table;
    let mut hold = table.on(point, move |call: &TableCall| step.is_made_by(call)).once().hold();
    rig.settle(key).await?;
    let held = hold.seen(FAULT_LIMIT).await?;
    rig.kill(EVENT_CONSUMER).await?;
    held.lose();
    Ok(())
}

/// The consumer dies with one event handled and not acknowledged, and others under way.
async fn amid_batch(rig: &Rig<'_>, key: &str, orders: u64) -> anyhow::Result<()> {
    let proxies = rig.proxies_of(EVENT_CONSUMER)?;
    let acknowledges = frames(code::ACK_MESSAGE);
    let mut acknowledging = proxies.broker.on(Point::Request, acknowledges).once().hold();
    rig.settle(&format!("{key}-done")).await?;
    let acknowledged = acknowledging.seen(FAULT_LIMIT).await?;

    let handles = |call: &TableCall| reserves(call) || ends_alone(call);
    let mut handling = proxies.table.on(Point::Request, handles).once().hold();
    let keys: Vec<_> = (0..orders).map(|n| format!("{key}-{n}")).collect();
    let created = futures::future::join_all(keys.iter().map(|key| rig.settle(key)));
    for order in created.await {
        order?;
    }
    let handled = handling.seen(FAULT_LIMIT).await?;
    rig.kill(EVENT_CONSUMER).await?;
    acknowledged.lose();
    handled.lose();
    Ok(())
}
