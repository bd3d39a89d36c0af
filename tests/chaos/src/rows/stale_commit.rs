//! P7: a producer is frozen with its transaction under way, and thawed after its attempt was rolled
//! back. RocketMQ would accept its COMMIT; the fence ensures that none is sent.

use std::time::Duration;

use harness::broker_proxy::Resolution;
use harness::remoting::{ask, status};
use harness::system::SystemOptions;
use local_lambda::Signal;

use super::Bench;
use super::crash::crash;
use super::window::{Window, amid, rolled_back};
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{AttemptState, attempt_state, judge_as_it_is, judge_clean};
use crate::rig::{CREATE_ORDER, Crew, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// Longer than the freeze: the host must not end a frozen process.
const HOST_PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let patient = |options: &mut SystemOptions| {
        options.timeouts.insert(CREATE_ORDER.to_owned(), HOST_PATIENCE);
    };
    let rounds: u64 = bench.either(2, 10);
    let rig = Rig::start_with(bench.cluster, bench.seed, Crew::default(), patient).await?;
    let control = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        patient(options);
        Control::WithoutFence.stand_in(options);
    })
    .await?;
    let with_fence = async {
        for round in 0..rounds {
            let state = frozen_past_its_rollback(&rig, &format!("stale-{round}")).await?;
            let is_fenced = state == AttemptState::Fenced;
            anyhow::ensure!(is_fenced, "a transaction landed after its rollback");
        }
        judge_clean(&rig).await
    };
    let without_fence = async {
        for round in 0..rounds {
            frozen_past_its_rollback(&control, &format!("stale-{round}")).await?;
        }
        let contradictions = control.proxies()?.journal().contradictions().len();
        forged_commit(&control).await?;
        anyhow::Ok((judge_as_it_is(&control).await?, contradictions))
    };
    let (figures, broken) = tokio::join!(with_fence, without_fence);
    let mut figures = figures?;
    let (broken, contradictions) = broken?;
    let broken = broken.figures;
    anyhow::ensure!(broken.revived == rounds, "without the fence, {} were stored", broken.revived);
    anyhow::ensure!(figures.fenced >= rounds, "the attempts were not fenced");
    figures.faults = rounds;
    let revived = Measure::Share { part: broken.revived, whole: rounds };
    figures.add_measure("control: stored after a ROLLBACK without the fence", revived);
    anyhow::ensure!(broken.contradictions > 0, "COMMIT and ROLLBACK of an attempt went unseen");
    // Not every thawed producer still has time for its COMMIT.
    anyhow::ensure!(
        contradictions >= bench.either(0, 1),
        "no producer sent a COMMIT that was late"
    );
    let contradictions = Measure::Count(u64::try_from(contradictions)?);
    figures.add_measure("control: COMMIT of a producer after the ROLLBACK", contradictions);
    anyhow::ensure!(broken.phantom > 0, "the broker accepted no COMMIT after a ROLLBACK");
    let phantom = Measure::Count(broken.phantom);
    figures.add_measure("the broker's own: phantoms of a forged COMMIT after a ROLLBACK", phantom);
    control.stop().await;
    rig.stop().await;
    Ok(figures)
}

/// Freezes create-order with its transaction under way until its attempt has been rolled back, lets
/// the transaction reach the table, and thaws the process. Returns the attempt's state after that.
async fn frozen_past_its_rollback(rig: &Rig<'_>, key: &str) -> anyhow::Result<AttemptState> {
    let frozen = amid(rig, key, Window::TransactionUnseen, async |stopped| {
        let pid = rig.signal(CREATE_ORDER, Signal::SIGSTOP)?;
        let attempt = stopped.attempt()?;
        rolled_back(rig, &attempt).await?;
        stopped.release();
        let state = attempt_state(rig, &attempt).await;
        rig.system.host.signal_instance(CREATE_ORDER, pid, Signal::SIGCONT)?;
        state
    });
    let (_, state) = frozen.await?;
    Ok(state)
}

/// Rolls an attempt back, and then sends a COMMIT that no process of ours would send. The broker
/// accepts it, and delivers the event of an order that does not exist.
async fn forged_commit(rig: &Rig<'_>) -> anyhow::Result<()> {
    let died = crash(rig, "forged", Window::TransactionUnseen).await?;
    let attempt = died.attempt()?;
    died.stopped.lose();
    let rollback = rolled_back(rig, &attempt).await?;
    // Through the relay, so that the journal sees both ends of the attempt.
    let broker = rig.proxies_of(TRANSACTION_CHECK)?.broker.broker_relay().address();
    let answer = ask(&broker, &rollback.request_to(Resolution::Commit)).await?;
    anyhow::ensure!(answer.code == status::SUCCESS, "the broker refused: {:?}", answer.remark);
    eventually("the phantom is on the topic", async || {
        Ok((judge_as_it_is(rig).await?.figures.phantom > 0).then_some(()))
    })
    .await
}
