//! L2: functions thaw with dead sockets, and with check-backs that were answered long ago.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::broker_proxy::frames;
use harness::faults::Point;
use harness::remoting::code;
use local_lambda::{InstanceInfo, Signal};

use super::Bench;
use super::crash::crash;
use super::window::{Window, question_of};
use crate::figures::{Figures, Measure};
use crate::judge::{AttemptState, attempt_state, judge_clean};
use crate::rig::{CREATE_ORDER, Crew, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

const CHECKERS: usize = 2;

/// Longer than the freeze: the host must not end a frozen process.
const HOST_PATIENCE: Duration = Duration::from_secs(400);

/// Short enough for a thawed checker to answer an old check-back.
const FROZEN_BRIEFLY: Duration = Duration::from_secs(5);

/// Longer than a window, and than the 120 s for which the broker keeps an idle connection.
const FROZEN_LONG: Duration = Duration::from_secs(150);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let crew = Crew { checkers: CHECKERS, ..Crew::default() };
    let rig = Rig::start_with(bench.cluster, bench.seed, crew, |options| {
        options.timeouts.insert(TRANSACTION_CHECK.to_owned(), HOST_PATIENCE);
    })
    .await?;
    let rounds: u64 = bench.either(1, 3);
    let (mut failed, mut missed) = (0, 0);
    for round in 0..rounds {
        let idle = Duration::from_secs(bench.either(0, 150));
        let (created, with_half) = dead_sockets(&rig, round, idle).await?;
        failed += u64::from(!created);
        missed += u64::from(!with_half);
        let frozen = if round == 0 { FROZEN_BRIEFLY } else { FROZEN_LONG };
        stale_question(&rig, round, frozen).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 2 * rounds;
    let share = Measure::Share { part: failed, whole: rounds };
    figures.add_measure("first requests that failed after a thaw", share);
    let share = Measure::Share { part: missed, whole: rounds };
    figures.add_measure("half messages missed after a thaw", share);
    anyhow::ensure!(failed == 0, "{failed} first requests failed");
    anyhow::ensure!(missed == 0, "{missed} first requests had no half message");
    rig.stop().await;
    Ok(figures)
}

/// create-order is frozen between two requests, and all its connections end meanwhile. Returns
/// whether its next request is served, and whether with a half message.
async fn dead_sockets(rig: &Rig<'_>, round: u64, idle: Duration) -> anyhow::Result<(bool, bool)> {
    rig.settle(&format!("before-{round}")).await?;
    let processes = pids(rig, CREATE_ORDER, |_| true)?;
    let proxies = rig.proxies_of(CREATE_ORDER)?;
    let cut = [proxies.table.refuse().await?, proxies.broker.broker_relay().refuse().await?];
    anyhow::ensure!(!cut.contains(&0), "of the table and the broker, {cut:?} sockets died");
    proxies.broker.namesrv_relay().refuse().await?;
    tokio::time::sleep(idle).await;
    proxies.table.accept().await?;
    proxies.broker.heal().await?;
    let (outcome, with_half) = rig.create_with_half(&format!("after-{round}")).await?;
    anyhow::ensure!(
        pids(rig, CREATE_ORDER, |_| true)? == processes,
        "the process that was frozen did not serve"
    );
    Ok((outcome.acked().is_some(), with_half))
}

/// Both checkers are frozen with the same check-back. The one that is thawed later answers it long
/// after the other one.
async fn stale_question(rig: &Rig<'_>, round: u64, frozen: Duration) -> anyhow::Result<()> {
    let broker = &rig.proxies_of(TRANSACTION_CHECK)?.broker;
    let relay = broker.broker_relay();
    let group = format!("{}{TRANSACTION_CHECK}", rig.system.names.group_prefix);
    let joined = || {
        eventually("both checkers are members", async || {
            Ok((relay.members(&group).len() == CHECKERS).then_some(()))
        })
    };
    // A window that has just begun doesn't end meanwhile. A checker whose window is over has left
    // its group, although its process lives, so it gets no check-back.
    joined().await?;
    rig.windows.keep(TRANSACTION_CHECK, 0);
    eventually("the checkers have left their group", async || {
        Ok(relay.members(&group).is_empty().then_some(()))
    })
    .await?;
    anyhow::ensure!(!pids(rig, TRANSACTION_CHECK, |_| true)?.is_empty(), "the checkers are dead");
    rig.windows.keep(TRANSACTION_CHECK, CHECKERS);
    joined().await?;
    let mut questions = broker.on(Point::Request, frames(code::CHECK_TRANSACTION_STATE)).hold();
    let died = crash(rig, &format!("stale-{round}"), Window::TransactionUnseen).await?;
    let attempt = died.attempt()?;
    died.stopped.lose();
    let question = question_of(rig, &mut questions, &attempt).await?;
    drop(questions);
    // Both are frozen; the check-back waits in the socket of one of them.
    let pids = pids(rig, TRANSACTION_CHECK, |instance| instance.busy)?;
    anyhow::ensure!(pids.len() == CHECKERS, "{} checkers stand still", pids.len());
    for pid in &pids {
        rig.system.host.signal_instance(TRANSACTION_CHECK, *pid, Signal::SIGSTOP)?;
    }
    let frame = question.traffic.frame.clone();
    question.release();
    for member in relay.members(&group) {
        relay.inject(member, &frame).await?;
    }
    tokio::time::sleep(frozen).await;
    let journal = rig.proxies()?.journal();
    for (number, pid) in pids.iter().enumerate() {
        rig.system.host.signal_instance(TRANSACTION_CHECK, *pid, Signal::SIGCONT)?;
        if frozen == FROZEN_BRIEFLY {
            eventually("a checker answers when it wakes up", async || {
                let ends = journal.ends_of(&attempt.transaction_id);
                let answered: BTreeSet<u64> = ends.iter().map(|end| end.connection).collect();
                Ok((answered.len() > number).then_some(()))
            })
            .await?;
        }
    }
    anyhow::ensure!(attempt_state(rig, &attempt).await? == AttemptState::Fenced);
    Ok(())
}

fn pids(
    rig: &Rig<'_>,
    function: &str,
    which: impl Fn(&InstanceInfo) -> bool,
) -> anyhow::Result<BTreeSet<u32>> {
    let instances = rig.system.host.instances(function)?;
    Ok(instances.iter().filter(|instance| which(instance)).map(|instance| instance.pid).collect())
}
