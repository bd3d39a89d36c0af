//! T3: for all functions the table is down, slow, failing, resetting or slow to speak.

use std::time::Duration;

use harness::faults::{Point, Toxic};
use harness::table_proxy::{TableAnswer, TableCall};

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure, percentile};
use crate::judge::judge_clean;
use crate::rig::{CREATE_ORDER, EVENT_CONSUMER, FUNCTIONS, Rig, TRANSACTION_CHECK};

/// create-order's time-out in the template, before which an answer comes.
const TIME_OUT: Duration = Duration::from_secs(10);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let clients: usize = bench.either(3, 12);
    let slices = Toxic::Slice { bytes: 16, pause: Duration::from_millis(5) };
    let toxics: [(&str, Point, Toxic<TableCall>); 7] = [
        ("lost", Point::Request, Toxic::Lose),
        ("reset", Point::Request, Toxic::Reset),
        ("reset-after", Point::Response, Toxic::Reset),
        ("failing", Point::Request, Toxic::Answer(TableAnswer::internal_error())),
        ("failing-after", Point::Response, Toxic::Answer(TableAnswer::internal_error())),
        ("slow", Point::Request, Toxic::Delay(Duration::from_secs(20))),
        ("sliced", Point::Response, slices),
    ];
    let mut faults = 0;
    let mut of_scheduled = [(TRANSACTION_CHECK, 0), (EVENT_CONSUMER, 0)];
    for (name, point, toxic) in toxics {
        let strike = |function| {
            anyhow::Ok(rig.proxies_of(function)?.table.on(point, |_| true).inflict(toxic.clone()))
        };
        // The scheduled functions have to end their windows in time, and are sometimes idle.
        let scheduled = [strike(TRANSACTION_CHECK)?, strike(EVENT_CONSUMER)?];
        let rule = strike(CREATE_ORDER)?;
        ask(&rig, name, clients).await?;
        anyhow::ensure!(rule.struck() > 0, "{name}: no call was struck");
        faults += rule.struck();
        for ((_, struck), rule) in of_scheduled.iter_mut().zip(&scheduled) {
            *struck += rule.struck();
        }
    }
    for (function, struck) in of_scheduled {
        anyhow::ensure!(struck > 0, "no call of {function} was struck");
        faults += struck;
    }
    for function in FUNCTIONS {
        rig.proxies_of(function)?.table.refuse().await?;
    }
    let down = ask(&rig, "down", clients).await?;
    anyhow::ensure!(down == 0, "an order was created with the table down");
    for function in FUNCTIONS {
        rig.proxies_of(function)?.table.accept().await?;
    }
    faults += 1;

    let times: Vec<_> = rig.log.entries().iter().map(|entry| entry.took).collect();
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    let slowest = percentile(&times, 1.0).unwrap_or_default();
    figures.add_measure("slowest answer", Measure::Longest(slowest));
    rig.stop().await;
    Ok(figures)
}

/// Several clients send requests at once; each gets 201 or 503 before the time-out. Returns how
/// many orders were created.
async fn ask(rig: &Rig<'_>, name: &str, clients: usize) -> anyhow::Result<usize> {
    let begun = rig.log.entries().len();
    let keys: Vec<_> = (0..clients).map(|n| format!("{name}-{n}")).collect();
    let outcomes = futures::future::join_all(keys.iter().map(|key| rig.create(key))).await;
    for outcome in &outcomes {
        let honest = matches!(
            outcome,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "{name}: a request was answered {outcome:?}");
    }
    for entry in rig.log.entries().into_iter().skip(begun) {
        anyhow::ensure!(entry.took < TIME_OUT, "{name}: an answer took {:?}", entry.took);
    }
    Ok(outcomes.iter().filter(|outcome| outcome.acked().is_some()).count())
}
