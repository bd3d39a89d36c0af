//! T1, T2: the table throttles, and writes conflict.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use harness::faults::{Point, Toxic};
use harness::order_calls::created_by;
use harness::table_proxy::{TableAnswer, TableCall};

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure, percentile};
use crate::judge::judge_clean;
use crate::rig::{CREATE_ORDER, Rig};

/// create-order's time-out in the template, before which an answer comes.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Calls to the table for one request. With pauses of at least 20 ms, the three seconds of a
/// transaction's deadline and the reads stay below this number.
const CALLS_PER_REQUEST_MAX: u64 = 60;

/// The table throttles for at least this long in a long run.
const THROTTLED_FOR: Duration = Duration::from_secs(30);

/// Between two orders of a client. Orders that were not created are requested again when the row is
/// over.
const PACE: Duration = Duration::from_millis(200);

/// How many send requests at once.
const CLIENTS: usize = 4;

/// T1.
pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let mut throttled_figures = Figures::default();
    for percent in [10_u32, 50, 100] {
        throttled_figures.merge(throttled(&bench, &rig, percent).await?);
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = throttled_figures.faults;
    figures.measures = throttled_figures.measures;
    rig.stop().await;
    Ok(figures)
}

async fn throttled(bench: &Bench<'_>, rig: &Rig<'_>, percent: u32) -> anyhow::Result<Figures> {
    let table = &rig.proxies_of(CREATE_ORDER)?.table;
    let half = f64::from(percent) / 200.0;
    // The first rule strikes its half of all calls, the second one its half of the remaining calls.
    let rest = half / (1.0 - half);
    let throttled = table.on(Point::Request, |_| true).share(half, rig.seed);
    let throttled = throttled.inflict(Toxic::Answer(TableAnswer::throttled()));
    let over = table.on(Point::Request, |_| true).share(rest, !rig.seed);
    let over = over.inflict(Toxic::Answer(TableAnswer::over_capacity()));

    let (requests, lasting) = bench.either((16, Duration::ZERO), (400, THROTTLED_FOR));
    let calls_before = table.calls();
    let (begun, started) = (rig.log.entries().len(), Instant::now());
    let keys = (0..)
        .take_while(|n: &u64| *n < requests || started.elapsed() < lasting)
        .map(|n| format!("throttled-{percent}-{n}"));
    let outcomes: Vec<Outcome> = stream::iter(keys)
        .map(|key| async move {
            let outcome = rig.create(&key).await;
            tokio::time::sleep(PACE).await;
            outcome
        })
        .buffer_unordered(CLIENTS)
        .collect()
        .await;
    let calls_made = table.calls() - calls_before;
    let requests = u64::try_from(outcomes.len())?;

    let mut figures = Figures { faults: throttled.struck() + over.struck(), ..Figures::default() };
    anyhow::ensure!(figures.faults > 0, "nothing was throttled");
    let entries = rig.log.entries();
    let times: Vec<_> = entries.iter().skip(begun).map(|entry| entry.took).collect();
    let slowest = percentile(&times, 1.0).unwrap_or_default();
    anyhow::ensure!(slowest < TIME_OUT, "an answer took {slowest:?}");
    for outcome in &outcomes {
        let honest = matches!(
            outcome,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "a throttled request was answered {outcome:?}");
    }
    let created = u64::try_from(outcomes.iter().filter(|one| one.acked().is_some()).count())?;
    anyhow::ensure!(
        percent < 100 || created == 0,
        "an order was created while every call was throttled"
    );
    anyhow::ensure!(
        calls_made <= requests * CALLS_PER_REQUEST_MAX,
        "{calls_made} calls for {requests} requests"
    );
    let (share, calls_name, p99, slow) = match percent {
        10 => ("created at 10 %", "calls per request at 10 %", "p99 at 10 %", "slowest at 10 %"),
        50 => ("created at 50 %", "calls per request at 50 %", "p99 at 50 %", "slowest at 50 %"),
        _ => ("created at 100 %", "calls per request at 100 %", "p99 at 100 %", "slowest at 100 %"),
    };
    let ninety_ninth = percentile(&times, 0.99).unwrap_or_default();
    figures.add_measure(p99, Measure::Longest(ninety_ninth));
    figures.add_measure(share, Measure::Share { part: created, whole: requests });
    figures.add_measure(calls_name, Measure::Share { part: calls_made, whole: requests });
    figures.add_measure(slow, Measure::Longest(slowest));
    Ok(figures)
}

/// T2.
pub(super) async fn one_hot_key(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 10);
    let clients: u64 = bench.either(20, 50);
    let (mut faults, mut slowest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let table = &rig.proxies_of(CREATE_ORDER)?.table;
        // The embedded table has no contention, so the proxy makes these conflicts.
        let creates = |call: &TableCall| created_by(call).is_some();
        let rule = table.on(Point::Request, creates).share(0.3, rig.seed + round);
        let rule = rule.answer(TableAnswer::conflict);
        let key = format!("hot-{round}");
        let begun = Instant::now();
        let requests = (0..clients).map(|_| rig.create(&key));
        let outcomes = futures::future::join_all(requests).await;
        slowest = slowest.max(begun.elapsed());
        anyhow::ensure!(rule.struck() > 0, "no put conflicted");
        faults += rule.struck();
        let created = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Acked { replayed: false, .. }));
        anyhow::ensure!(created.count() <= 1, "one key created several orders");
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    figures.add_measure("all clients answered in", Measure::Longest(slowest));
    let conflicts = Measure::Share { part: faults, whole: rounds * clients };
    figures.add_measure("conflicts per request", conflicts);
    rig.stop().await;
    Ok(figures)
}
