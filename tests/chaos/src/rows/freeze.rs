//! P8: create-order is frozen in each of its windows, longer than any part waits for it.

use std::time::Duration;

use local_lambda::Signal;

use super::Bench;
use super::window::{Window, amid};
use crate::client::Outcome;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, Rig};

/// Longer than the longest freeze: the host must not end a frozen process.
const HOST_PATIENCE: Duration = Duration::from_secs(240);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        options.timeouts.insert(CREATE_ORDER.to_owned(), HOST_PATIENCE);
    })
    .await?;
    // 5 s exceed the local transaction's deadline, 15 s the time to the first check-back.
    let freezes: &[u64] = bench.either(&[5, 15], &[5, 60, 150]);
    let mut faults = 0;
    for seconds in freezes {
        for window in Window::ALL {
            let key = format!("{window:?}-{seconds}");
            let time = Duration::from_secs(*seconds);
            let (outcome, ()) = amid(&rig, &key, window, async |stopped| {
                let pid = rig.signal(CREATE_ORDER, Signal::SIGSTOP)?;
                stopped.release();
                tokio::time::sleep(time).await;
                rig.system.host.signal_instance(CREATE_ORDER, pid, Signal::SIGCONT)?;
                Ok(())
            })
            .await?;
            let honest = matches!(
                outcome,
                Outcome::Acked { .. } | Outcome::Unknown { status: None | Some(503), .. }
            );
            anyhow::ensure!(honest, "{key}: a client was answered {outcome:?}");
            faults += 1;
            rest(&rig).await?;
        }
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    let fenced = Measure::Share { part: figures.fenced, whole: faults };
    figures.add_measure("frozen attempts that were fenced", fenced);
    rig.stop().await;
    Ok(figures)
}
