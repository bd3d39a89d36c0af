//! L1: Lambda ends create-order during a request.

use local_lambda::Signal;

use super::Bench;
use super::window::{Window, amid};
use crate::client::Outcome;
use crate::figures::Figures;
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Rig};

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 5);
    let mut faults = 0;
    for round in 0..rounds {
        for window in [Window::TransactionUnseen, Window::TransactionUnanswered] {
            // The host kills a stopped process at its time-out.
            ended(&rig, &format!("stuck-{window:?}-{round}"), window, Signal::SIGSTOP).await?;
            ended(&rig, &format!("signalled-{window:?}-{round}"), window, Signal::SIGTERM).await?;
            faults += 2;
            rest(&rig).await?;
        }
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    anyhow::ensure!(figures.committed == figures.tried, "an order was created twice");
    rig.stop().await;
    Ok(figures)
}

/// Requests an order and sends its process a signal that ends it.
async fn ended(rig: &Rig<'_>, key: &str, window: Window, signal: Signal) -> anyhow::Result<()> {
    let (outcome, pid) = amid(rig, key, window, async |stopped| {
        let pid = rig.signal(CREATE_ORDER, signal)?;
        stopped.release();
        Ok(pid)
    })
    .await?;
    let unknown = matches!(outcome, Outcome::Unknown { status: Some(500), .. });
    anyhow::ensure!(unknown, "{key}: a process that was ended answered {outcome:?}");
    let instances = rig.system.host.instances(CREATE_ORDER)?;
    anyhow::ensure!(instances.iter().all(|left| left.pid != pid), "{key}: it was not ended");
    Ok(())
}
