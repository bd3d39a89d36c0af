//! B5: the name server is down.

use std::time::Duration;

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{CREATE_ORDER, EVENT_CONSUMER, Rig, TRANSACTION_CHECK};

/// create-order's time-out in the template. An answer comes before it.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Those that ask it.
const FUNCTIONS: [&str; 3] = [CREATE_ORDER, TRANSACTION_CHECK, EVENT_CONSUMER];

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 8);
    for round in 0..rounds {
        rig.settle(&format!("warm-{round}")).await?;
        for function in FUNCTIONS {
            rig.before(function)?.broker.namesrv_relay().refuse().await?;
        }
        let (known, with_half) = rig.place_with_half(&format!("known-{round}")).await?;
        anyhow::ensure!(with_half, "a known route did not serve on: {known:?}");

        rig.kill_all(CREATE_ORDER).await?;
        let (cold, with_half) = rig.place_with_half(&format!("cold-{round}")).await?;
        anyhow::ensure!(!with_half, "a cold start knew its route without a name server");
        let honest = matches!(
            cold,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "a cold start without a name server: {cold:?}");
        for function in FUNCTIONS {
            rig.before(function)?.broker.namesrv_relay().accept().await?;
        }
    }
    let entries = rig.log.entries();
    let cold = entries.iter().filter(|entry| entry.key.starts_with("cold"));
    let slowest = cold.map(|entry| entry.took).max().unwrap_or_default();
    anyhow::ensure!(slowest < TIME_OUT, "a cold start took {slowest:?}");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    figures.note("cold start answered within", Measure::Longest(slowest));
    rig.stop().await;
    Ok(figures)
}
