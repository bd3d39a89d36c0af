//! F7: long messages with the keys of events that wait. A broker answers a question for a key with
//! whole messages, and the client closes a connection on which a longer answer is announced than it
//! reads: every other question on it fails with that one.

use std::time::Duration;

use anyhow::Context;
use application::ports::Resolution;
use bytes::Bytes;
use harness::broker::broker_address;
use harness::publishing::FlaggedHalf;
use harness::remoting::{Frame, ask, code, fields};
use uuid::Uuid;

use super::Bench;
use super::full_disk::LARGE;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_as_it_is, judge_clean};
use crate::rig::{EVENT_CONSUMER, Rig, TRANSACTION_CHECK};
use crate::waiting::{PAST_THE_SWEEP, eventually};

/// The sweep has found an event on its topic.
const FOUND: &str = "an event waits for its consumer";

/// For each event; more than one answer may hold.
const LONG_MESSAGES: u64 = 6;

/// The index of a broker knows a message's time to the second (`IndexFile.java`).
const NEXT_SECOND: Duration = Duration::from_millis(1_100);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    rig.until_finished("the first order is finished").await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    rig.settle_all("order", bench.either(3, 8)).await?;
    let events = waiting_events(&rig).await?;
    let (together, apart) = events.split_first().context("no event waits")?;
    // Of these, more have the same second than one answer holds, so no answer leads past them.
    for number in 0..LONG_MESSAGES {
        publish_long(&rig, *together, number).await?;
    }
    for number in 0..LONG_MESSAGES {
        for event_id in apart {
            publish_long(&rig, *event_id, number).await?;
        }
        tokio::time::sleep(NEXT_SECOND).await;
    }
    let published = LONG_MESSAGES * u64::try_from(events.len())?;
    for event_id in &events {
        must_be_too_long(&rig, *event_id).await?;
    }
    let too_long = u64::try_from(events.len())?;

    let before = rig.lines_with(FOUND)?;
    tokio::time::sleep(PAST_THE_SWEEP).await;
    let found = rig.lines_with(FOUND)?.saturating_sub(before);
    anyhow::ensure!(found >= apart.len(), "{found} of {} events were found", apart.len());
    let lost = rig.lines_with("no broker answers")?;
    anyhow::ensure!(lost == 0, "{lost} times no broker answered");
    let copies = judge_as_it_is(&rig).await?.figures.duplicate_copies;
    anyhow::ensure!(copies == 0, "{copies} copies of events that were on their topic");
    let (memory, given) = rig.memory(TRANSACTION_CHECK)?.context("it has no process")?;
    anyhow::ensure!(memory < given / 2, "transaction-check used {memory} of {given} bytes");

    rig.windows.keep(EVENT_CONSUMER, 1);
    let finished = rig.until_finished("orders are finished beside the long messages").await?;
    eventually("every long message is dead-lettered", async || {
        let letters = Records::read(&rig).await?.dead_letters.len();
        Ok((u64::try_from(letters)? == published).then_some(()))
    })
    .await?;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = published;
    figures.add_measure("until all orders were finished", Measure::Longest(finished));
    figures.add_measure("most memory of transaction-check", Measure::Bytes(memory));
    figures.add_measure("control: answers too long with all of a key", Measure::Count(too_long));
    rig.stop().await;
    Ok(figures)
}

async fn waiting_events(rig: &Rig<'_>) -> anyhow::Result<Vec<Uuid>> {
    let records = Records::read(rig).await?;
    records.pending().map(|(_, event_id, _)| Ok(Uuid::parse_str(event_id)?)).collect()
}

async fn publish_long(rig: &Rig<'_>, event_id: Uuid, number: u64) -> anyhow::Result<()> {
    let (endpoints, names) = (&rig.system.endpoints, &rig.system.names);
    let name = format!("LONG-{number}-{event_id}");
    let body = (0, Bytes::from(vec![b' '; LARGE]));
    let half = FlaggedHalf::store_named(endpoints, names, &names.topic, (event_id, name), body);
    half.await?.end(Resolution::Commit).await
}

/// The control: an answer with three messages of a key can be read, and one with all of them can't.
async fn must_be_too_long(rig: &Rig<'_>, event_id: Uuid) -> anyhow::Result<()> {
    ask_for(rig, event_id, 3).await?;
    let error =
        ask_for(rig, event_id, 64).await.err().context("all messages can be read at once")?;
    anyhow::ensure!(format!("{error:#}").contains("bytes is too long"), "{error:#}");
    Ok(())
}

async fn ask_for(rig: &Rig<'_>, event_id: Uuid, count_max: u8) -> anyhow::Result<Frame> {
    let (key, count_max, until) =
        (event_id.to_string(), count_max.to_string(), i64::MAX.to_string());
    let question = [
        ("topic", rig.system.names.topic.as_str()),
        ("key", &key),
        ("maxNum", &count_max),
        ("beginTimestamp", "0"),
        ("endTimestamp", &until),
    ];
    let question = Frame::request(code::QUERY_MESSAGE, 1, fields(&question));
    ask(&broker_address(&rig.system.endpoints.namesrv).await?, &question).await
}
