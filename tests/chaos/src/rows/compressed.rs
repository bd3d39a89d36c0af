//! F1: bodies that cannot be inflated, or to more than anybody reads.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use harness::publishing::publish_flagged;
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::eventually;

/// In a message's flags: its body is compressed (`MessageSysFlag.java`), and how.
const COMPRESSED: i32 = 0x1;
const LZ4: i32 = 0x1 << 8;
const ZSTD: i32 = 0x2 << 8;
const ZLIB: i32 = 0x3 << 8;
const UNKNOWN: i32 = 0x7 << 8;

/// How many good orders lie behind the bodies, in the same queues.
const NEIGHBOURS: u32 = 5;

/// What event-consumer may have in use at the most, in bytes. Inflated whole, one of the bodies alone
/// has four times of it.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 5);
    let (mut published, mut slowest, mut peak) = (0, Duration::ZERO, 0);
    for round in 0..rounds {
        rest(&rig).await?;
        rig.windows.keep(EVENT_CONSUMER, 0);
        rig.kill_all(EVENT_CONSUMER).await?;
        for (flags, body) in bodies()? {
            let id = Uuid::from_u64_pair(0x0190_0000_0000_7000 + round, 1 << 63 | published);
            let (endpoints, names) = (&rig.system.endpoints, &rig.system.names);
            publish_flagged(endpoints, names, id, COMPRESSED | flags, body).await?;
            published += 1;
        }
        for neighbour in 0..NEIGHBOURS {
            rig.settle(&format!("neighbour-{neighbour}-{round}")).await?;
        }
        rig.windows.keep(EVENT_CONSUMER, 1);
        let begun = Instant::now();
        eventually("the neighbours are finished", async || {
            Ok(Records::read(&rig).await?.unfinished().is_empty().then_some(()))
        })
        .await?;
        slowest = slowest.max(begun.elapsed());
        eventually("every such body is dead-lettered", async || {
            let letters = Records::read(&rig).await?.dead_letters;
            Ok((u64::try_from(letters.len())? >= published).then_some(()))
        })
        .await?;
        peak = peak.max(rig.memory(EVENT_CONSUMER)?.map_or(0, |(peak, _)| peak));
    }
    let letters = Records::read(&rig).await?.dead_letters;
    let count = u64::try_from(letters.len())?;
    anyhow::ensure!(count == published, "{count} letters of {published} bodies");
    let says_why = |reason: &str| reason.contains("inflated");
    anyhow::ensure!(letters.values().all(|letter| says_why(&letter.reason)), "{letters:?}");
    let mut figures = judge_clean(&rig).await?;
    // Neither the bodies nor their neighbours come a second time.
    let deliveries = rig.before(EVENT_CONSUMER)?.broker.broker_relay().deliveries();
    let again: Vec<_> = deliveries.iter().filter(|(_, times)| **times != 1).collect();
    anyhow::ensure!(again.is_empty(), "delivered more than once: {again:?}");
    anyhow::ensure!(peak < MEMORY_MAX, "event-consumer used {peak} bytes");
    figures.faults = published;
    figures.note("dead letters", Measure::Count(count));
    figures.note("until all neighbours were finished", Measure::Longest(slowest));
    figures.note("most memory of event-consumer", Measure::Bytes(peak));
    rig.stop().await;
    Ok(figures)
}

/// Bodies with their flags.
fn bodies() -> anyhow::Result<Vec<(i32, Bytes)>> {
    let plain = Bytes::from_static(b"this was never compressed");
    // The beginning of a frame, as Java's client makes one, and nothing that belongs to it. Read as the
    // length of a block it asks for 407 MB.
    let frame = Bytes::from_static(b"\x04\x22\x4d\x18 no frame");
    Ok(vec![
        (ZLIB, plain.clone()),
        (LZ4, plain.clone()),
        (LZ4, frame),
        (ZSTD, plain.clone()),
        (UNKNOWN, plain),
        // More than a dead letter's announcement may have.
        (ZLIB, deflated(5)?),
        (ZLIB, deflated(256)?),
    ])
}

/// So many MiB of spaces.
fn deflated(mebibytes: u32) -> anyhow::Result<Bytes> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let spaces = vec![b' '; 1024 * 1024];
    for _ in 0..mebibytes {
        encoder.write_all(&spaces)?;
    }
    Ok(encoder.finish()?.into())
}
