//! X2: many first requests at once, from nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure, percentile};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, Rig};

/// create-order's time-out in the template, before which an answer comes.
const TIME_OUT: Duration = Duration::from_secs(10);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let (rounds, at_once): (u64, u64) = bench.either((1, 10), (3, 50));
    let rig = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        options.instances_max = 64;
    })
    .await?;
    let (mut created, mut started_again) = (0, 0);
    for round in 0..rounds {
        rest(&rig).await?;
        rig.kill_all(CREATE_ORDER).await?;
        created += u64::try_from(rig.create_all(&format!("first-{round}"), at_once).await.len())?;
        let started = processes(&rig)?;
        anyhow::ensure!(started.len() > 1, "{} process served all requests", started.len());
        // The control: as many requests at once to processes that are there.
        rig.create_all(&format!("again-{round}"), at_once).await;
        let again = processes(&rig)?.difference(&started).count();
        anyhow::ensure!(again < started.len(), "{again} processes started again");
        started_again += u64::try_from(again)?;
    }
    let entries = rig.log.entries();
    let of = |prefix| entries.iter().filter(move |entry| entry.key.starts_with(prefix));
    for entry in of("first") {
        // While a machine starts so many processes, a call to the table may take too long.
        let honest = matches!(
            entry.outcome,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "a first request was answered {:?}", entry.outcome);
    }
    let times_of = |prefix| of(prefix).map(|entry| entry.took).collect::<Vec<_>>();
    let (first, again) = (times_of("first"), times_of("again"));
    let of_share = |share| {
        let of = |times: &[Duration]| percentile(times, share).unwrap_or_default();
        (of(&first), of(&again))
    };
    let (slowest, slowest_again) = of_share(1.0);
    anyhow::ensure!(slowest < TIME_OUT, "an answer took {slowest:?}");
    // Beside other rows, which may delay a single request, the median is compared.
    let (slow, slow_again) = of_share(bench.either(0.5, 1.0));
    anyhow::ensure!(slow_again < slow, "{slow:?} for first requests, {slow_again:?} for others");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds * at_once;
    figures.add_measure(
        "answered with 201",
        Measure::Share { part: created, whole: rounds * at_once },
    );
    figures.add_measure("slowest of the first answers", Measure::Longest(slowest));
    figures.add_measure(
        "control: slowest of as many answers of processes that were there",
        Measure::Longest(slowest_again),
    );
    let started_again = Measure::Count(started_again);
    figures.add_measure("control: processes that started for them", started_again);
    rig.stop().await;
    Ok(figures)
}

fn processes(rig: &Rig<'_>) -> anyhow::Result<BTreeSet<u32>> {
    let instances = rig.system.host.instances(CREATE_ORDER)?;
    Ok(instances.into_iter().map(|instance| instance.pid).collect())
}
