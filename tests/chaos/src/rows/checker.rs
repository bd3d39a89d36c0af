//! P10, P11: the function that answers check-backs is asked twice, or dies.

use std::time::Duration;

use harness::broker_proxy::{Resolution, frames};
use harness::faults::{Point, Toxic};
use harness::remoting::code;
use harness::table_proxy::TableCall;

use super::Bench;
use super::crash::crash;
use super::window::{Window, with_half_message};
use crate::figures::{Figures, Measure};
use crate::judge::{attempt_state, judge_clean};
use crate::rig::{CREATE_ORDER, Crew, FAULT_LIMIT, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// P10.
pub(super) async fn asked_twice(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let crew = Crew { checkers: 2, ..Crew::default() };
    let rig = Rig::start_with(bench.cluster, bench.seed, crew, |_| {}).await?;
    let mut lots = fastrand::Rng::with_seed(rig.seed);
    let rounds: u64 = bench.either(3, 20);
    let mut late = 0;
    for round in 0..rounds {
        let landed = race(&rig, &format!("race-{round}"), &mut lots).await?;
        late += u64::from(landed);
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    figures.note("races won by the transaction", Measure::Share { part: late, whole: rounds });
    rig.stop().await;
    Ok(figures)
}

/// Both checkers are asked twice each, at the moment at which the transaction reaches the table.
/// Whether the transaction won.
async fn race(rig: &Rig<'_>, key: &str, lots: &mut fastrand::Rng) -> anyhow::Result<bool> {
    let relay = rig.before(TRANSACTION_CHECK)?.broker.broker_relay();
    let group = format!("{}{TRANSACTION_CHECK}", rig.system.names.group_prefix);
    eventually("two checkers are members", async || {
        Ok((relay.members(&group).len() >= 2).then_some(()))
    })
    .await?;
    let mut asked =
        relay.rules().on(Point::Request, frames(code::CHECK_TRANSACTION_STATE)).once().hold();
    // Every try is held, or the second would do what the first could not.
    let table = &rig.before(CREATE_ORDER)?.table;
    let mut tries = table.on(Point::Request, with_half_message).hold();
    let (outcome, transaction) = tokio::join!(rig.place(key), tries.seen(FAULT_LIMIT));
    anyhow::ensure!(outcome.is_unknown(), "nobody can know, and the client was told {outcome:?}");
    let transaction = transaction?;
    drop(tries);
    let attempt = transaction.traffic.key_of("TXN#").unwrap_or_default().replace("TXN#", "");
    let check = asked.seen(FAULT_LIMIT).await?;
    let (question, first) = (check.traffic.frame.clone(), check.traffic.connection);
    let head_start = Duration::from_micros(lots.u64(0..40_000));
    let transaction_first = lots.bool();
    let checks = async {
        if transaction_first {
            tokio::time::sleep(head_start).await;
        }
        check.release_with(Toxic::Repeat(2));
        // Windows end, so that the other one may be gone by now, and its successor there.
        eventually("the other checker is asked twice", async || {
            let others = relay.members(&group).into_iter().filter(|member| *member != first);
            for other in others {
                let sent = relay.inject(other, &question).await;
                if sent.is_ok() && relay.inject(other, &question).await.is_ok() {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await
    };
    let landing = async {
        if !transaction_first {
            tokio::time::sleep(head_start).await;
        }
        transaction.release();
    };
    let (sent, ()) = tokio::join!(checks, landing);
    sent?;
    Ok(attempt_state(rig, &attempt).await? == "COMMITTED")
}

/// P11.
pub(super) async fn dies_after_fence(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 8);
    let fence = |call: &TableCall| call.operation == "PutItem" && call.touches("TXN#");
    for round in 0..rounds {
        let table = &rig.before(TRANSACTION_CHECK)?.table;
        let mut fencing = table.on(Point::Response, fence).once().hold();
        let died = crash(&rig, &format!("checker-{round}"), Window::TransactionUnseen).await?;
        let attempt = died.attempt()?;
        died.stopped.lose();
        let fenced = fencing.seen(FAULT_LIMIT).await?;
        rig.kill(TRANSACTION_CHECK).await?;
        fenced.lose();
        let journal = rig.proxies()?.journal();
        anyhow::ensure!(journal.ends_of(&attempt).is_empty(), "it answered before it died");
        eventually("the next check-back answers ROLLBACK", async || {
            let ends = journal.ends_of(&attempt);
            Ok(ends.iter().any(|end| end.resolution == Resolution::Rollback).then_some(()))
        })
        .await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    rig.stop().await;
    Ok(figures)
}
