//! C1: event-consumer dies before, after and amid its transactions.

use anyhow::Context;
use harness::broker_proxy::frames;
use harness::faults::Point;
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
        for handler in ["observer", "inventory", "notification"] {
            for point in [Point::Request, Point::Response] {
                let key = format!("{handler}-{point:?}-{round}");
                amid_transaction(&rig, &key, handler, point).await?;
                deaths += 1;
            }
        }
        amid_batch(&rig, &format!("batch-{round}"), bench.either(5, 20)).await?;
        deaths += 1;
        rest(&rig).await?;
    }
    let consumer = rig.before(EVENT_CONSUMER)?.broker.broker_relay();
    let mut figures = judge_clean(&rig).await?;
    let doubled = Measure::Count(without_inbox(&bench).await?);
    figures.note("control: effects doubled without the inbox", doubled);
    figures.faults = deaths;
    anyhow::ensure!(
        figures.duplicate_deliveries >= deaths,
        "{} deliveries were more than the first",
        figures.duplicate_deliveries
    );
    let acks = consumer.passed_on(code::ACK_MESSAGE);
    figures.note("acknowledgements", Measure::Count(acks));
    rig.stop().await;
    Ok(figures)
}

/// How many effects happen more than once when notifications leave no inbox records, and the
/// consumer dies with one stored.
async fn without_inbox(bench: &Bench<'_>) -> anyhow::Result<u64> {
    let crew = Crew { consumers: 1, ..Crew::default() };
    let control = Rig::start_with(bench.cluster, bench.seed, crew, |options| {
        Control::WithoutInbox.stand_in(options);
    })
    .await?;
    amid_transaction(&control, "control", "notification", Point::Response).await?;
    let doubled = eventually("the event comes again", async || {
        let doubled = judge_as_it_is(&control).await?.figures.duplicate_effects;
        Ok((doubled > 0).then_some(doubled))
    })
    .await
    .context("without the inbox, no effect happened twice")?;
    control.stop().await;
    Ok(doubled)
}

/// The consumer dies with a handler's transaction before the table, or with its answer before the
/// consumer.
async fn amid_transaction(
    rig: &Rig<'_>,
    key: &str,
    handler: &str,
    point: Point,
) -> anyhow::Result<()> {
    let inbox = format!("INBOX#{handler}#");
    let of_handler =
        move |call: &TableCall| call.operation == "TransactWriteItems" && call.touches(&inbox);
    let table = &rig.before(EVENT_CONSUMER)?.table;
    let mut hold = table.on(point, of_handler).once().hold();
    rig.settle(key).await?;
    let held = hold.seen(FAULT_LIMIT).await?;
    rig.kill(EVENT_CONSUMER).await?;
    held.lose();
    Ok(())
}

/// The consumer dies with one event done and not acknowledged, and others under way.
async fn amid_batch(rig: &Rig<'_>, key: &str, orders: u64) -> anyhow::Result<()> {
    let before = rig.before(EVENT_CONSUMER)?;
    let acknowledges = frames(code::ACK_MESSAGE);
    let mut acknowledging = before.broker.on(Point::Request, acknowledges).once().hold();
    rig.settle(&format!("{key}-done")).await?;
    let acknowledged = acknowledging.seen(FAULT_LIMIT).await?;

    let handles =
        |call: &TableCall| call.operation == "TransactWriteItems" && call.touches("INBOX#");
    let mut handling = before.table.on(Point::Request, handles).once().hold();
    let keys: Vec<_> = (0..orders).map(|n| format!("{key}-{n}")).collect();
    let placed = futures::future::join_all(keys.iter().map(|key| rig.settle(key)));
    for order in placed.await {
        order?;
    }
    let handled = handling.seen(FAULT_LIMIT).await?;
    rig.kill(EVENT_CONSUMER).await?;
    acknowledged.lose();
    handled.lose();
    Ok(())
}
