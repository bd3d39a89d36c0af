//! D1: a broker that stops for a while under load.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use harness::broker_proxy::{FrameAnswer, Passage};
use harness::faults::{Point, Toxic};
use harness::remoting::{code, status};
use local_lambda::Signal;
use tokio::time::{Instant, MissedTickBehavior};

use super::Bench;
use crate::client::Outcome;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{EventCopy, World, judge_as_it_is, judge_clean};
use crate::rig::{Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// Ten orders a second, if the machine has nothing else to do.
const EVERY: Duration = Duration::from_millis(100);

/// Three orders a second beside other rows.
const EVERY_BESIDE: Duration = Duration::from_millis(300);

/// How long orders come before the broker stops, and after it continues.
const AROUND: Duration = Duration::from_secs(5);

/// Within this time after the broker's return every order must be confirmed.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);

/// The same beside other rows: an event whose send fails once more waits a minute for the next.
const CONFIRMED_WITHIN_BESIDE: Duration = Duration::from_secs(120);

/// Of this many orders, one may have a copy of an event on the topic.
const ORDERS_PER_COPY: u64 = 100;

/// The same beside other rows, where events that wait for the processor are still pending when the
/// broker asks about them. These are some ten copies; the control makes forty.
const ORDERS_PER_COPY_BESIDE: u64 = 10;

/// This many copies are always allowed, however few the orders: of events that were under way when
/// the broker stopped.
const COPIES_AT_LEAST: u64 = 3;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let stands = Duration::from_secs(bench.either(20, 60));
    let every = bench.either(EVERY_BESIDE, EVERY);
    let (outcomes, back) = load(&rig, every, stopped_for(&cluster, stands)).await;
    let orders = outcomes.len();
    let other: Vec<_> = outcomes.iter().filter(|outcome| outcome.acked().is_none()).collect();
    // In a short run a call to the table may take too long. The judge settles unknown outcomes.
    let honest = other.iter().all(|outcome| bench.either(outcome.is_unknown(), false));
    anyhow::ensure!(honest, "of {orders} orders some were answered with {other:?}");
    rig.until_finished("orders are finished after the broker's return").await?;
    let confirmed = back.elapsed();
    let slowest = rig.log.entries().iter().map(|entry| entry.took).max().unwrap_or_default();
    let mut figures = judge_clean(&rig).await?;
    let copies = figures.duplicate_copies;
    let allowed = copies_allowed(orders, bench.either(ORDERS_PER_COPY_BESIDE, ORDERS_PER_COPY))?;
    anyhow::ensure!(copies <= allowed, "{copies} copies of {orders} orders");
    let within = bench.either(CONFIRMED_WITHIN_BESIDE, CONFIRMED_WITHIN);
    anyhow::ensure!(confirmed < within, "all were confirmed after {confirmed:?}");
    figures.faults = 1;
    let Causes { attempts, recorded, publications } = causes(&World::copies(&rig).await?);
    figures.add_measure("copies by a second COMMIT of an attempt", Measure::Count(attempts));
    figures
        .add_measure("copies by a second COMMIT of what the sweep sent", Measure::Count(recorded));
    figures.add_measure("copies by another publication", Measure::Count(publications));
    figures.add_measure("slowest answer meanwhile", Measure::Longest(slowest));
    figures.add_measure("all confirmed after the broker's return", Measure::Longest(confirmed));
    rig.stop().await;
    // Only a long run can afford the control, which takes two minutes.
    if bench.either(false, true) {
        let copies = Measure::Count(without_asking(bench, &cluster, stands).await?);
        figures.add_measure("control: copies, with nobody asking what the broker has", copies);
    }
    Ok(figures)
}

/// The control: transaction-check does not ask the broker whether it answers, nor what is on the
/// topic. It takes the broker for one that answers, and for one that has none of the messages.
/// Returns the copies, once these are more than are allowed.
async fn without_asking(
    bench: Bench<'_>,
    cluster: &Cluster,
    stands: Duration,
) -> anyhow::Result<u64> {
    let control = Rig::start(cluster, bench.seed).await?;
    let questions = |passage: &Passage| {
        matches!(passage.request, code::QUERY_MESSAGE | code::GET_BROKER_CONFIG)
    };
    let nothing = FrameAnswer {
        code: status::QUERY_NOT_FOUND,
        remark: "there is no such message".to_owned(),
    };
    let broker = &control.proxies_of(TRANSACTION_CHECK)?.broker;
    let asked = broker.on(Point::Request, questions).inflict(Toxic::Answer(nothing));
    let (outcomes, _) = load(&control, EVERY, stopped_for(cluster, stands)).await;
    let allowed = copies_allowed(outcomes.len(), ORDERS_PER_COPY)?;
    let copies = eventually("there are more copies than are allowed", async || {
        let copies = judge_as_it_is(&control).await?.figures.duplicate_copies;
        Ok((copies > allowed).then_some(copies))
    })
    .await?;
    anyhow::ensure!(asked.struck() > 0, "transaction-check asked nothing");
    control.stop().await;
    Ok(copies)
}

/// Stops the broker for a while, and returns when it went on.
async fn stopped_for(cluster: &Cluster, stands: Duration) -> Instant {
    tokio::time::sleep(AROUND).await;
    cluster.signal_broker(Signal::SIGSTOP).await;
    tokio::time::sleep(stands).await;
    cluster.signal_broker(Signal::SIGCONT).await;
    let back = Instant::now();
    tokio::time::sleep(AROUND).await;
    back
}

fn copies_allowed(orders: usize, orders_per_copy: u64) -> anyhow::Result<u64> {
    Ok((u64::try_from(orders)? / orders_per_copy).max(COPIES_AT_LEAST))
}

/// Why events have copies beyond the first.
#[derive(Default)]
struct Causes {
    attempts: u64,
    recorded: u64,
    publications: u64,
}

fn causes(copies: &[EventCopy]) -> Causes {
    let mut causes = Causes::default();
    let (mut events, mut publications) = (BTreeSet::new(), BTreeSet::new());
    for copy in copies {
        let is_new = publications.insert((&copy.event_id, &copy.publication));
        match (events.insert(&copy.event_id), is_new, copy.is_recorded) {
            (true, ..) => {}
            (false, true, _) => causes.publications += 1,
            (false, false, true) => causes.recorded += 1,
            (false, false, false) => causes.attempts += 1,
        }
    }
    causes
}

/// Creates an order every `every`, without waiting for earlier ones, until `until` ends. Returns
/// the outcomes of the orders, and the result of `until`.
async fn load<T>(
    rig: &Rig<'_>,
    every: Duration,
    until: impl Future<Output = T>,
) -> (Vec<Outcome>, T) {
    tokio::pin!(until);
    let mut pace = tokio::time::interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut under_way = FuturesUnordered::new();
    let mut outcomes = Vec::new();
    let mut number = 0_u64;
    let result = loop {
        tokio::select! {
            result = &mut until => break result,
            Some(outcome) = under_way.next(), if !under_way.is_empty() => outcomes.push(outcome),
            _ = pace.tick() => {
                let key = format!("load-{number}");
                number += 1;
                under_way.push(async move { rig.create(&key).await });
            }
        }
    };
    outcomes.extend(under_way.collect::<Vec<_>>().await);
    (outcomes, result)
}
