//! C3: messages that nobody can read.

use std::time::Duration;

use harness::publishing::Publishing;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::Rig;
use crate::waiting::eventually;

/// Just below the longest message that a broker takes, 4 MiB with its properties.
const LARGE: usize = 4 * 1024 * 1024 - 4096;

/// Nobody waits for a poison: this is less than the time for which a message is its consumer's, and
/// long enough for a slow machine.
const UNBLOCKED_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 5);
    let (mut published, mut slowest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
        for (kind, body) in poisons() {
            let id = Uuid::from_u64_pair(0x0190_0000_0000_7000 + round, 1 << 63 | published);
            publishing.publish(id, &body).await?;
            published += 1;
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
    eventually("every poison is dead-lettered", async || {
        let letters = Records::read(&rig).await?.dead_letters;
        Ok((u64::try_from(letters.len())? >= published).then_some(()))
    })
    .await?;
    let letters = Records::read(&rig).await?.dead_letters;
    anyhow::ensure!(
        letters.values().all(|letter| !letter.reason.is_empty()),
        "a dead letter without a reason"
    );
    anyhow::ensure!(slowest < UNBLOCKED_WITHIN, "a poison's neighbour took {slowest:?}");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = published;
    figures.note("dead letters", Measure::Count(u64::try_from(letters.len())?));
    figures.note("slowest neighbour of a poison, all effects included", Measure::Longest(slowest));
    rig.stop().await;
    Ok(figures)
}

/// Bodies that no version of the consumer understands.
fn poisons() -> [(&'static str, String); 5] {
    let id = "01900000-0000-7000-8000-000000000099";
    let envelope = |schema: u32, kind: &str, data: serde_json::Value| {
        json!({
            "specversion": "1.0", "id": id, "source": "urn:order-service", "type": kind,
            "time": "2026-01-01T00:00:00Z", "schemaversion": schema, "data": data,
        })
        .to_string()
    };
    [
        ("not-json", "this is no event".to_owned()),
        ("unknown-version", envelope(99, "OrderCreated", json!({}))),
        ("unknown-type", envelope(1, "OrderForgotten", json!({}))),
        ("wrong-schema", envelope(1, "OrderCreated", json!({"order_id": 7}))),
        ("large", "x".repeat(LARGE)),
    ]
}
