//! C3: messages that no code can read, or only newer code.

use std::time::Duration;

use harness::publishing::Publishing;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::eventually;

/// Just below 4 MiB, the longest message that a broker accepts with its properties.
const LARGE: usize = 4 * 1024 * 1024 - 4096;

/// No neighbour waits for an unreadable message: this is less than the time for which a received
/// message is invisible to other consumers, and enough for a slow machine.
const UNBLOCKED_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 5);
    let (mut published, mut newer, mut slowest) = (0, Vec::new(), Duration::ZERO);
    for round in 0..rounds {
        let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
        for (kind, reader, body) in poisons() {
            let id = Uuid::from_u64_pair(0x0190_0000_0000_7000 + round, 1 << 63 | published);
            publishing.publish(id, None, &body).await?;
            published += 1;
            newer.extend((reader == ReadableBy::NewerCode).then(|| id.to_string()));
            let begun = Instant::now();
            let neighbour = rig.settle(&format!("neighbour-{kind}-{round}")).await?;
            eventually("a poison's neighbour is finished", async || {
                let unfinished = Records::read(&rig).await?.unfinished().contains(&&neighbour);
                Ok((!unfinished).then_some(()))
            })
            .await?;
            slowest = slowest.max(begun.elapsed());
        }
        publishing.stop().await;
        rest(&rig).await?;
    }
    let unreadable = published - u64::try_from(newer.len())?;
    eventually("every unreadable poison is dead-lettered", async || {
        let letters = Records::read(&rig).await?.dead_letters;
        Ok((u64::try_from(letters.len())? >= unreadable).then_some(()))
    })
    .await?;
    // An event of newer code is never given up: it is delivered again until that code is deployed.
    let relay = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
    eventually("events of newer code come again", async || {
        let deliveries = relay.deliveries();
        let again = |id: &String| deliveries.get(id).is_some_and(|times| *times > 1);
        Ok(newer.iter().all(again).then_some(()))
    })
    .await?;
    let letters = Records::read(&rig).await?.dead_letters;
    let count = u64::try_from(letters.len())?;
    anyhow::ensure!(count == unreadable, "{count} letters of {unreadable} unreadable messages");
    anyhow::ensure!(
        letters.values().all(|letter| !letter.reason.is_empty()),
        "a dead letter without a reason"
    );
    anyhow::ensure!(slowest < UNBLOCKED_WITHIN, "a poison's neighbour took {slowest:?}");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = published;
    figures.add_measure("dead letters", Measure::Count(count));
    figures.add_measure("left to newer code", Measure::Count(published - unreadable));
    figures.add_measure(
        "slowest neighbour of a poison, all effects included",
        Measure::Longest(slowest),
    );
    rig.stop().await;
    Ok(figures)
}

/// The code that can read such a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadableBy {
    Nobody,
    /// Newer than this consumer.
    NewerCode,
}

/// Bodies that this consumer does not understand.
fn poisons() -> [(&'static str, ReadableBy, String); 5] {
    let id = "01900000-0000-7000-8000-000000000099";
    let envelope = |schema: u32, kind: &str, data: serde_json::Value| {
        json!({
            "specversion": "1.0", "id": id, "source": "urn:order-service", "type": kind,
            "time": "2026-01-01T00:00:00Z", "schemaversion": schema, "data": data,
        })
        .to_string()
    };
    [
        ("not-json", ReadableBy::Nobody, "this is no event".to_owned()),
        ("unknown-version", ReadableBy::NewerCode, envelope(99, "OrderCreated", json!({}))),
        ("unknown-type", ReadableBy::NewerCode, envelope(1, "OrderForgotten", json!({}))),
        ("wrong-schema", ReadableBy::Nobody, envelope(1, "OrderCreated", json!({"order_id": 7}))),
        ("large", ReadableBy::Nobody, "x".repeat(LARGE)),
    ]
}
