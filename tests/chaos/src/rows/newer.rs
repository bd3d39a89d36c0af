//! F5: events that newer code raised, before that code is deployed.
//!
//! A message that names no event of ours ends after a day, which no row can wait for; the tests of
//! the use case do, in simulated time.

use std::time::Duration;

use harness::publishing::Publishing;
use serde_json::json;
use uuid::Uuid;

use super::Bench;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean};
use crate::rig::{Crew, EVENT_CONSUMER, Rig, order_key};
use crate::waiting::{eventually, eventually_within};

/// The fourth delivery is due after some 40 s.
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let ours = publish_newer_of_ours(&rig).await?;
    let newer = publish_newer(&rig).await?;
    rig.create_all("beside", 5).await;
    let times = bench.either(2, 4);
    let proxy = &rig.proxies_of(EVENT_CONSUMER)?.broker;
    eventually_within(PATIENCE, "events of newer code come again", async || {
        let deliveries = proxy.deliveries();
        let again = |id: &String| deliveries.get(id).is_some_and(|seen| *seen >= times);
        Ok(newer.iter().all(again).then_some(()))
    })
    .await?;
    // Its own message, and the newer one, which ends with it.
    let delivered = proxy.deliveries().get(&ours).copied().unwrap_or_default();
    anyhow::ensure!(delivered == 2, "an event of ours was delivered {delivered} times");
    let mut figures = judge_clean(&rig).await?;
    let letters = u64::try_from(Records::read(&rig).await?.dead_letters.len())?;
    anyhow::ensure!(letters == 0, "{letters} events of newer code were given up");
    figures.faults = 1 + u64::try_from(newer.len())?;
    figures.add_measure("dead letters", Measure::Count(letters));
    figures.add_measure("control: given up without patience", without_patience(&bench).await?);
    rig.stop().await;
    Ok(figures)
}

/// How many such events are given up by a consumer that takes them for unreadable: all.
async fn without_patience(bench: &Bench<'_>) -> anyhow::Result<Measure> {
    let control = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        Control::WithoutPatience.stand_in(options);
    })
    .await?;
    let newer = publish_newer(&control).await?;
    let part = eventually("events of newer code are given up without patience", async || {
        // A letter of a message that nobody reads has no event's identifier.
        let given_up = Records::read(&control).await?.dead_letters.len();
        Ok((given_up == newer.len()).then_some(given_up))
    })
    .await?;
    control.stop().await;
    Ok(Measure::Share { part: u64::try_from(part)?, whole: u64::try_from(newer.len())? })
}

/// Publishes a message that only newer code can read, of an event that our handlers are done with.
/// Returns its identifier.
async fn publish_newer_of_ours(rig: &Rig<'_>) -> anyhow::Result<String> {
    let order_id = rig.settle("ours").await?;
    let event_id = eventually("the order is finished", async || {
        let records = Records::read(rig).await?;
        if records.unfinished().contains(&&order_id) {
            return Ok(None);
        }
        let order = records.orders.get(&order_id);
        Ok(order.and_then(|order| order.event("OrderCreated")).map(ToOwned::to_owned))
    })
    .await?;
    let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
    let id: Uuid = event_id.parse()?;
    let key = order_key(&order_id)?.into();
    publishing.publish(id, Some(key), &event(id, "1.0", 99, "OrderCreated")).await?;
    publishing.stop().await;
    Ok(event_id)
}

/// Publishes events of a version, of a type, and of a form that this code does not know. Returns
/// their identifiers.
async fn publish_newer(rig: &Rig<'_>) -> anyhow::Result<Vec<String>> {
    let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
    let mut newer = Vec::new();
    let unknown =
        [("1.0", 99, "OrderCreated"), ("1.0", 1, "OrderForgotten"), ("1.1", 1, "OrderCreated")];
    for (number, (spec, schema, kind)) in (0..).zip(unknown) {
        let id = Uuid::from_u64_pair(0x0190_0000_0000_7000, 1 << 63 | number);
        publishing.publish(id, None, &event(id, spec, schema, kind)).await?;
        newer.push(id.to_string());
    }
    publishing.stop().await;
    Ok(newer)
}

fn event(id: Uuid, spec: &str, schema: u32, kind: &str) -> String {
    json!({
        "specversion": spec, "id": id, "source": "urn:order-service", "type": kind,
        "time": "2026-01-01T00:00:00Z", "schemaversion": schema, "data": {},
    })
    .to_string()
}
