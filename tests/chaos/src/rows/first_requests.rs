//! X2: many first requests at once, from nothing.

use std::time::Duration;

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure};
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
    let mut created = 0;
    for round in 0..rounds {
        rest(&rig).await?;
        rig.kill_all(CREATE_ORDER).await?;
        created += u64::try_from(rig.create_all(&format!("first-{round}"), at_once).await.len())?;
        let started = rig.system.host.instances(CREATE_ORDER)?.len();
        anyhow::ensure!(started > 1, "{started} process served all requests");
    }
    let entries = rig.log.entries();
    let first: Vec<_> = entries.iter().filter(|entry| entry.key.starts_with("first")).collect();
    for entry in &first {
        // While a machine starts so many processes, a call to the table may take too long.
        let honest = matches!(
            entry.outcome,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "a first request was answered {:?}", entry.outcome);
    }
    let slowest = first.iter().map(|entry| entry.took).max().unwrap_or_default();
    anyhow::ensure!(slowest < TIME_OUT, "an answer took {slowest:?}");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds * at_once;
    figures.add_measure(
        "answered with 201",
        Measure::Share { part: created, whole: rounds * at_once },
    );
    figures.add_measure("slowest of the first answers", Measure::Longest(slowest));
    rig.stop().await;
    Ok(figures)
}
