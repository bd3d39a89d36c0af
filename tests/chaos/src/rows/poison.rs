//! C3: messages that no code can read, or only newer code.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use application::operations::list_dead_letters::{DeadLetterFilter, ListDeadLetters};
use application::ports::{DeadLetterId, DeadLetterReader, Resolution};
use bytes::Bytes;
use dynamodb::DynamoDeadLetters;
use harness::publishing::{FlaggedHalf, Publishing};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Letter, Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::eventually;

/// Just below 4 MiB, the longest message that a broker accepts with its properties.
const LARGE: usize = 4 * 1024 * 1024 - 4096;

/// No neighbour waits for an unreadable message: this is less than the time for which a received
/// message is invisible to other consumers, and enough for a slow machine.
const UNBLOCKED_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let mut sent = Sent::default();
    for round in 0..bench.either(1, 5) {
        let publishing = Publishing::start(&rig.system.endpoints, &rig.system.names).await?;
        for (kind, reader, body) in poisons() {
            let id = sent.next_id(round);
            publishing.publish(id, None, &body).await?;
            sent.newer.extend((reader == ReadableBy::NewerCode).then(|| id.to_string()));
            sent.settle_neighbour(&rig, &format!("{kind}-{round}")).await?;
        }
        publishing.stop().await;
        let neighbour = sent.settle_neighbour(&rig, &format!("before-names-{round}")).await?;
        for (kind, name) in unfit_names(&rig, &neighbour).await? {
            publish_named(&rig, sent.next_id(round), name).await?;
            sent.settle_neighbour(&rig, &format!("{kind}-{round}")).await?;
        }
        rest(&rig).await?;
    }
    let Sent { published, newer, slowest } = sent;
    let unreadable = published - u64::try_from(newer.len())?;
    eventually("every unreadable poison is dead-lettered", async || {
        let letters = Records::read(&rig).await?.dead_letters;
        Ok((u64::try_from(letters.len())? >= unreadable).then_some(()))
    })
    .await?;
    // Newer code may raise such events: their messages are delivered again for a day.
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
    check(&rig, &letters).await?;
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

/// Each letter has a reason, and is found by the id by which an operator names it.
async fn check(rig: &Rig<'_>, letters: &BTreeMap<String, Letter>) -> anyhow::Result<()> {
    let reasons = letters.values().all(|letter| !letter.reason.is_empty());
    anyhow::ensure!(reasons, "a dead letter without a reason");
    let stored = DynamoDeadLetters::new(rig.tables(), rig.letters_table()?);
    for key in letters.keys() {
        let id = DeadLetterId::parse(key.trim_start_matches("DEAD#"))
            .with_context(|| format!("no command takes {key:?}"))?;
        let letter = stored.find(&id).await?.with_context(|| format!("{id} is not found"))?;
        anyhow::ensure!(letter.event_id.is_none(), "{id} is the letter of an event");
    }
    let list = ListDeadLetters { letters: stored };
    let listing = list.newest(&DeadLetterFilter::default(), letters.len(), |_| ()).await?;
    let listed = listing.items.len();
    anyhow::ensure!(listed == letters.len() && listing.unreadable == 0, "{listed} are listed");
    Ok(())
}

/// What was published, and how its neighbours fared.
#[derive(Default)]
struct Sent {
    published: u64,
    /// Those that newer code may read.
    newer: Vec<String>,
    slowest: Duration,
}

impl Sent {
    fn next_id(&mut self, round: u64) -> Uuid {
        let id = Uuid::from_u64_pair(0x0190_0000_0000_7000 + round, 1 << 63 | self.published);
        self.published += 1;
        id
    }

    /// Returns its `order_id`.
    async fn settle_neighbour(&mut self, rig: &Rig<'_>, name: &str) -> anyhow::Result<String> {
        let begun = Instant::now();
        let neighbour = rig.settle(&format!("neighbour-{name}")).await?;
        eventually("a poison's neighbour is finished", async || {
            let unfinished = Records::read(rig).await?.unfinished().contains(&&neighbour);
            Ok((!unfinished).then_some(()))
        })
        .await?;
        self.slowest = self.slowest.max(begun.elapsed());
        Ok(neighbour)
    }
}

/// Names of messages under which no letter may be stored: longer than the key of an item, of
/// characters that no command takes, and the `event_id` of an event of ours.
async fn unfit_names(rig: &Rig<'_>, order_id: &str) -> anyhow::Result<[(&'static str, String); 3]> {
    let order = Records::read(rig).await?.orders.remove(order_id);
    let order = order.context("the order is gone")?;
    let event_id = order.event("OrderCreated").context("the order has no birth")?;
    // Of this round alone: a second message with the same name would replace the letter.
    Ok([
        ("long-name", format!("{order_id}{}", "x".repeat(3_000))),
        ("odd-name", format!("Grüße an {order_id}")),
        ("name-of-an-event", event_id.to_owned()),
    ])
}

async fn publish_named(rig: &Rig<'_>, event_id: Uuid, name: String) -> anyhow::Result<()> {
    let (endpoints, names) = (&rig.system.endpoints, &rig.system.names);
    let body = (0, Bytes::from_static(b"this is no event"));
    let half = FlaggedHalf::store_named(endpoints, names, &names.topic, (event_id, name), body);
    half.await?.end(Resolution::Commit).await
}

/// The code that can read such a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadableBy {
    Nobody,
    /// Newer than this consumer.
    NewerCode,
}

/// Bodies that this consumer does not understand.
fn poisons() -> [(&'static str, ReadableBy, String); 6] {
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
        ("version-that-never-was", ReadableBy::Nobody, envelope(0, "OrderCreated", json!({}))),
        ("unknown-type", ReadableBy::NewerCode, envelope(1, "OrderForgotten", json!({}))),
        ("wrong-schema", ReadableBy::Nobody, envelope(1, "OrderCreated", json!({"order_id": 7}))),
        ("large", ReadableBy::Nobody, "x".repeat(LARGE)),
    ]
}
