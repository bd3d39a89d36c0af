//! F1 to F4: bodies that cannot be inflated, inflate to more than fits into memory, are longer than
//! any reader accepts, or cannot be stored by a broker again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use application::ports::Resolution;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use harness::broker_proxy::Passage;
use harness::faults::{Point, Standing, Toxic};
use harness::provision::{Names, create_topics};
use harness::publishing::{FlaggedHalf, Refused};
use harness::remoting::{code, popped, status};
use rocketmq_protocol::common::message::message_decoder::decodes_batch;
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use super::full_disk::LARGE;
use crate::controls::peak_of_whole_bodies;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, FAULT_LIMIT, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// A message's flag for a compressed body (`MessageSysFlag.java`), and those for the compression.
const COMPRESSED: i32 = 0x1;
const LZ4: i32 = 0x1 << 8;
const ZSTD: i32 = 0x2 << 8;
const ZLIB: i32 = 0x3 << 8;
const UNKNOWN: i32 = 0x7 << 8;

/// Good orders that lie behind the bodies, in the same queues.
const NEIGHBOURS: u32 = 5;

/// In bytes, for a function. A single inflated body is at least four times as large.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

/// Those that read messages, and the figure of the memory of each.
const READERS: [(&str, &str); 2] = [
    (EVENT_CONSUMER, "most memory of event-consumer"),
    (TRANSACTION_CHECK, "most memory of transaction-check"),
];

/// The longest answer that the client reads, in bytes, which it holds twice while it reads it.
const ANSWER_MAX: u64 = 16 * 1024 * 1024;

/// In bytes, with its end.
const LINE_MAX: u64 = 8 * 1024;

/// In bytes.
const READ_MAX: usize = 64 * 1024;

/// The control of bodies that take memory.
const READ_WHOLE: &str = "control: most memory of a consumer that reads whole bodies";

/// A message's flags, and its body.
pub(super) type Body = (i32, Bytes);

/// F1.
pub(super) async fn unreadable(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let mut given_up = GivenUp::because("inflated");
    for _ in 0..bench.either(1, 5) {
        given_up.round(&rig, unreadable_bodies()?).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    given_up.check(&rig, &mut figures).await?;
    let control = given_up.round_with_the_clients_reading(&rig, unreadable_bodies()?).await?;
    figures.add_measure("control: bodies left by the client's own reading", control);
    rig.stop().await;
    Ok(figures)
}

/// F2.
pub(super) async fn bombs(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let mut given_up = GivenUp::because("inflated");
    let mebibytes = bench.either(256, 1024);
    // This takes seconds, in which no row that runs beside this one would see what it waits for.
    let bombs = tokio::task::spawn_blocking(move || bombs_of(mebibytes)).await??;
    let answers = KeptAnswers::of(&rig)?;
    given_up.round(&rig, bombs.clone()).await?;
    let read_whole = answers.read_whole(&rig).await?;
    let asked = ask_about(&rig, bombs).await?;
    given_up.look_at_memory(&rig)?;
    let mut figures = judge_clean(&rig).await?;
    given_up.check(&rig, &mut figures).await?;
    figures.add_measure(READ_WHOLE, read_whole);
    figures.faults += asked;
    figures.add_measure("such half messages asked about", Measure::Count(asked));
    rig.stop().await;
    Ok(figures)
}

/// F3.
pub(super) async fn long(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let memory_max = MEMORY_MAX + 2 * ANSWER_MAX;
    let mut given_up = GivenUp { memory_max, ..GivenUp::because("more than 65536") };
    let answers = KeptAnswers::of(&rig)?;
    given_up.round(&rig, long_bodies()).await?;
    let read_whole = answers.read_whole(&rig).await?;
    for _ in 0..bench.either(0, 2) {
        given_up.round(&rig, long_bodies()).await?;
    }
    // An answer has the first message of each queue, however long: more than the client reads.
    let longest = (0, Bytes::from(vec![b' '; LARGE]));
    given_up.round(&rig, vec![longest; bench.either(9, 40)]).await?;
    // It is read, and names a type that newer code may know, so it is delivered again instead of
    // becoming a dead letter.
    let name = "A".repeat(READ_MAX - 1024);
    let named = (0, event_of_type(&name));
    store(&rig, &rig.system.names.topic, 9_000, named).await?.end(Resolution::Commit).await?;
    eventually("an event with a long type name is received", async || {
        Ok((rig.lines_with("it waits for that code")? > 0).then_some(()))
    })
    .await?;
    let mut figures = judge_clean(&rig).await?;
    given_up.check_letters(&rig, &mut figures).await?;
    let longest = rig.longest_line()?;
    anyhow::ensure!(longest <= LINE_MAX, "a line of {longest} bytes");
    figures.add_measure(READ_WHOLE, read_whole);
    figures.add_measure("longest line of the log", Measure::Bytes(longest));
    rig.stop().await;
    Ok(figures)
}

/// F4.
pub(super) async fn not_taken_back(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let mut given_up = GivenUp::because("");
    for _ in 0..bench.either(1, 5) {
        // The broker accepts no message without a body (`AbstractSendMessageProcessor.java`), but
        // does accept a compressed body of no bytes.
        let bodies = vec![(COMPRESSED | ZLIB, deflated(5)?), (COMPRESSED | ZLIB, deflated(0)?)];
        given_up.round(&rig, bodies).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    given_up.check(&rig, &mut figures).await?;
    figures.add_measure("control: refused by the broker as they are", refused(&rig).await?);
    rig.stop().await;
    Ok(figures)
}

/// The control: no broker stores these bodies in the form in which a dead letter's announcement
/// would hold them.
async fn refused(rig: &Rig<'_>) -> anyhow::Result<Measure> {
    let long = Bytes::from(vec![b' '; 5 * 1024 * 1024]);
    // The broker fails with a `NullPointerException` on a message without a body.
    let inflated = [(long, status::MESSAGE_ILLEGAL), (Bytes::new(), status::SYSTEM_ERROR)];
    let mut refused = 0;
    for (number, (body, code)) in (8_000..).zip(inflated) {
        let stored = store(rig, &rig.system.names.topic, number, (0, body)).await;
        let answer = stored.err().context("the broker stores a body that it refuses")?;
        let found = answer.downcast_ref::<Refused>().map(|refused| refused.code);
        anyhow::ensure!(found == Some(code), "{answer:#}");
        refused += 1;
    }
    Ok(Measure::Count(refused))
}

/// Bodies that were published and become dead letters, with neighbours behind them.
struct GivenUp {
    because: &'static str,
    published: u64,
    slowest: Duration,
    /// The peak memory of each reader so far, in bytes, by the name of its figure.
    peaks: BTreeMap<&'static str, u64>,
    memory_max: u64,
}

impl GivenUp {
    const fn because(because: &'static str) -> Self {
        let (slowest, memory_max) = (Duration::ZERO, MEMORY_MAX);
        Self { because, published: 0, slowest, peaks: BTreeMap::new(), memory_max }
    }

    async fn round(&mut self, rig: &Rig<'_>, bodies: Vec<Body>) -> anyhow::Result<()> {
        rest(rig).await?;
        rig.windows.keep(EVENT_CONSUMER, 0);
        rig.kill_all(EVENT_CONSUMER).await?;
        for body in bodies {
            let topic = &rig.system.names.topic;
            store(rig, topic, self.published, body).await?.end(Resolution::Commit).await?;
            self.published += 1;
        }
        for neighbour in 0..NEIGHBOURS {
            rig.settle(&format!("neighbour-{neighbour}-{}", self.published)).await?;
        }
        rig.windows.keep(EVENT_CONSUMER, 1);
        let begun = Instant::now();
        eventually("the neighbours are finished", async || {
            Ok(Records::read(rig).await?.unfinished().is_empty().then_some(()))
        })
        .await?;
        self.slowest = self.slowest.max(begun.elapsed());
        eventually("every such body is dead-lettered", async || {
            let letters = Records::read(rig).await?.dead_letters;
            Ok((u64::try_from(letters.len())? >= self.published).then_some(()))
        })
        .await?;
        self.look_at_memory(rig)
    }

    /// A process that has ended shows no peak, so this is called before a reader is killed.
    fn look_at_memory(&mut self, rig: &Rig<'_>) -> anyhow::Result<()> {
        for (function, name) in READERS {
            let memory = rig.memory(function)?;
            let (peak, _) = memory.with_context(|| format!("{function} has no process"))?;
            let most = self.peaks.entry(name).or_default();
            *most = peak.max(*most);
        }
        Ok(())
    }

    /// The control: event-consumer gets what the client's own call returns of an answer. That call
    /// inflates the bodies, and stops at the first one that it cannot inflate. Returns how many
    /// bodies are no dead letters when a body is delivered again.
    async fn round_with_the_clients_reading(
        &mut self,
        rig: &Rig<'_>,
        bodies: Vec<Body>,
    ) -> anyhow::Result<Measure> {
        let relay = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
        let answers =
            |passage: &Passage| passage.request == code::POP_MESSAGE && passage.frame.is_answer();
        let withheld: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let withholds = Arc::clone(&withheld);
        let cut = Toxic::Rewrite(Arc::new(move |passage: &mut Passage| {
            let read = read_by_the_client(&passage.frame.body);
            let all = popped(&passage.frame.body, "event_id");
            let mut withheld = withholds.lock().unwrap_or_else(PoisonError::into_inner);
            for event_id in all.into_iter().skip(popped(&read, "event_id").len()) {
                *withheld.entry(event_id).or_default() += 1;
            }
            passage.frame.body = read;
        }));
        let reading = relay.rules().on(Point::Response, answers).inflict(cut);
        let (before, topic) = (self.published, &rig.system.names.topic);
        for body in bodies {
            store(rig, topic, self.published, body).await?.end(Resolution::Commit).await?;
            self.published += 1;
        }
        let ids: BTreeSet<_> =
            (before..self.published).map(|number| id_of(number).to_string()).collect();
        eventually("an unreadable body comes again", async || {
            let withheld = withheld.lock().unwrap_or_else(PoisonError::into_inner);
            let again = withheld.iter().any(|(id, times)| ids.contains(id) && *times > 1);
            Ok(again.then_some(()))
        })
        .await?;
        let letters = Records::read(rig).await?.dead_letters.len();
        let standing = usize::try_from(self.published)? - letters;
        anyhow::ensure!(standing > 0, "the client's own reading leaves no body");
        drop(reading);
        eventually("they are dead-lettered by event-consumer's own reading", async || {
            let letters = Records::read(rig).await?.dead_letters;
            Ok((u64::try_from(letters.len())? == self.published).then_some(()))
        })
        .await?;
        Ok(Measure::Count(u64::try_from(standing)?))
    }

    /// Asserts that each body has a letter, and that bodies and neighbours were delivered only
    /// once.
    async fn check(&self, rig: &Rig<'_>, figures: &mut Figures) -> anyhow::Result<()> {
        self.check_letters(rig, figures).await?;
        let deliveries = rig.proxies_of(EVENT_CONSUMER)?.broker.deliveries();
        let again: Vec<_> = deliveries.iter().filter(|(_, times)| **times != 1).collect();
        anyhow::ensure!(again.is_empty(), "delivered more than once: {again:?}");
        Ok(())
    }

    async fn check_letters(&self, rig: &Rig<'_>, figures: &mut Figures) -> anyhow::Result<()> {
        let letters = Records::read(rig).await?.dead_letters;
        let count = u64::try_from(letters.len())?;
        let Self { because, published, slowest, ref peaks, memory_max } = *self;
        anyhow::ensure!(count == published, "{count} letters of {published} bodies");
        let says_why = |reason: &str| !reason.is_empty() && reason.contains(because);
        anyhow::ensure!(letters.values().all(|letter| says_why(&letter.reason)), "{letters:?}");
        for (&name, &peak) in peaks {
            anyhow::ensure!(peak < memory_max, "{name}: {peak} bytes");
            figures.add_measure(name, Measure::Bytes(peak));
        }
        figures.faults += published;
        figures.add_measure("dead letters", Measure::Count(count));
        figures.add_measure("until all neighbours were finished", Measure::Longest(slowest));
        Ok(())
    }
}

/// Keeps what event-consumer gets, for a control that reads the same.
struct KeptAnswers {
    kept: Arc<Mutex<Vec<Bytes>>>,
    // Keeps answers until it is dropped.
    _keeping: Standing<Passage>,
}

impl KeptAnswers {
    fn of(rig: &Rig<'_>) -> anyhow::Result<Self> {
        let kept: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let keeps = Arc::clone(&kept);
        let keep = Toxic::Rewrite(Arc::new(move |passage: &mut Passage| {
            let mut kept = keeps.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(passage.frame.body.clone());
        }));
        let messages = |passage: &Passage| {
            passage.request == code::POP_MESSAGE
                && passage.frame.is_answer()
                && !passage.frame.body.is_empty()
        };
        let relay = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
        Ok(Self { kept, _keeping: relay.rules().on(Point::Response, messages).inflict(keep) })
    }

    /// The most memory of a consumer that reads one of the answers whole: more than the function
    /// has.
    async fn read_whole(self, rig: &Rig<'_>) -> anyhow::Result<Measure> {
        let answers =
            std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let mut most = 0;
        for answer in &answers {
            most = most.max(peak_of_whole_bodies(answer).await?);
        }
        let (_, given) = rig.memory(EVENT_CONSUMER)?.context("event-consumer has no process")?;
        anyhow::ensure!(most > given, "reading whole bodies took {most} bytes of {given}");
        Ok(Measure::Bytes(most))
    }
}

/// Leaves half messages open that name our checked group, on our topic and on a foreign topic,
/// until each check-back was answered. Returns their number.
async fn ask_about(rig: &Rig<'_>, bodies: Vec<Body>) -> anyhow::Result<u64> {
    let names = &rig.system.names;
    let foreign = Names {
        topic: format!("{}_FOREIGN", names.topic),
        user_topic: format!("{}_FOREIGN", names.user_topic),
        group_prefix: format!("foreign-{}", names.group_prefix),
        ..names.clone()
    };
    create_topics(&rig.system.endpoints, &foreign).await?;
    let relay = rig.proxies_of(TRANSACTION_CHECK)?.broker.broker_relay();
    let mut halves = Vec::new();
    for topic in [&names.topic, &foreign.topic] {
        for body in &bodies {
            let number = 1_000 + u64::try_from(halves.len())?;
            let half = store(rig, topic, number, body.clone()).await?;
            let key = half.unique_key.clone();
            let answers = move |passage: &Passage| {
                passage.frame.code == code::END_TRANSACTION
                    && passage.frame.field("msgId") == Some(key.as_str())
            };
            halves.push((half, relay.rules().on(Point::Request, answers).once().hold()));
        }
    }
    let asked = u64::try_from(halves.len())?;
    for (half, mut answer) in halves {
        answer.seen(FAULT_LIMIT).await?.release();
        half.end(Resolution::Rollback).await?;
    }
    Ok(asked)
}

/// `number` is unique in the row.
pub(super) async fn store(
    rig: &Rig<'_>,
    topic: &str,
    number: u64,
    body: Body,
) -> anyhow::Result<FlaggedHalf> {
    let (endpoints, names) = (&rig.system.endpoints, &rig.system.names);
    FlaggedHalf::store(endpoints, names, topic, id_of(number), body).await
}

const fn id_of(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x0190_0000_0000_7000, 1 << 63 | number)
}

/// The messages of an answer, in the form in which the client's own call returns them.
fn read_by_the_client(answer: &Bytes) -> Bytes {
    let mut rest = answer.clone();
    let read = decodes_batch(&mut rest, true, true).len();
    let mut end = 0;
    for _ in 0..read {
        let length = answer.get(end..).and_then(|frame| frame.first_chunk());
        let length = length.map_or(0, |length| u32::from_be_bytes(*length));
        end += usize::try_from(length).unwrap_or_default();
    }
    answer.slice(..end.min(answer.len()))
}

/// Bodies that cannot be inflated, and one that inflates to more than is read.
pub(super) fn unreadable_bodies() -> anyhow::Result<Vec<Body>> {
    let plain = Bytes::from_static(b"this was never compressed");
    // The beginning of a frame as Java's client makes it, followed by other bytes. Read as the
    // length of a block, these ask for 407 MB.
    let frame = Bytes::from_static(b"\x04\x22\x4d\x18 no frame");
    Ok(vec![
        (COMPRESSED | ZLIB, plain.clone()),
        (COMPRESSED | LZ4, plain.clone()),
        (COMPRESSED | LZ4, frame),
        (COMPRESSED | ZSTD, plain.clone()),
        (COMPRESSED | UNKNOWN, plain),
        // More than a dead letter's announcement may hold.
        (COMPRESSED | ZLIB, deflated(5)?),
    ])
}

/// As long as a broker accepts them, with their properties: short text that becomes 400 MB of
/// values once it is parsed, and half of that length in one name.
fn long_bodies() -> Vec<Body> {
    let values = format!("{{\"data\":[{}0]}}", "{\"\":0},".repeat(590_000));
    vec![(0, values.into()), (0, event_of_type(&"A".repeat(2 * 1024 * 1024)))]
}

fn event_of_type(name: &str) -> Bytes {
    let id = "01900000-0000-7000-8000-000000000098";
    let event = serde_json::json!({
        "specversion": "1.0", "id": id, "source": "urn:order-service", "type": name,
        "time": "2026-01-01T00:00:00Z", "schemaversion": 1, "data": {},
    });
    event.to_string().into()
}

/// Each has at most 1 MiB and inflates to `mebibytes`, or to as many as its compression allows.
fn bombs_of(mebibytes: u32) -> anyhow::Result<Vec<Body>> {
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    fill(&mut lz4, mebibytes.min(240))?;
    let mut zstd = zstd::Encoder::new(Vec::new(), 1)?;
    fill(&mut zstd, mebibytes)?;
    Ok(vec![
        (COMPRESSED | ZLIB, deflated(mebibytes)?),
        (COMPRESSED | LZ4, lz4.finish()?.into()),
        (COMPRESSED | ZSTD, zstd.finish()?.into()),
    ])
}

/// Compressed spaces.
fn deflated(mebibytes: u32) -> io::Result<Bytes> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    fill(&mut encoder, mebibytes)?;
    Ok(encoder.finish()?.into())
}

fn fill(encoder: &mut impl Write, mebibytes: u32) -> io::Result<()> {
    let spaces = vec![b' '; 1024 * 1024];
    (0..mebibytes).try_for_each(|_| encoder.write_all(&spaces))
}
