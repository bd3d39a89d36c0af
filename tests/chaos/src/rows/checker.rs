//! P10, P11: the function that answers check-backs is asked twice, or dies.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use harness::broker_proxy::frames;
use harness::faults::{Held, Point, Toxic};
use harness::order_calls::{Attempt, created_by, creates_with_half_message, fenced_by};
use harness::remoting::code;
use harness::table_proxy::TableCall;

use super::Bench;
use super::crash::{crash, slowest_end};
use super::window::{Window, question_of, rolled_back};
use crate::figures::{Figures, Measure};
use crate::judge::{AttemptState, attempt_state, judge_clean};
use crate::rig::{CREATE_ORDER, Crew, FAULT_LIMIT, Rig, TRANSACTION_CHECK};
use crate::waiting::{eventually, eventually_within};

/// P10.
pub(super) async fn asked_twice(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let crew = Crew { checkers: 2, ..Crew::default() };
    let rig = Rig::start_with(bench.cluster, bench.seed, crew, |_| {}).await?;
    let rounds: u64 = bench.either(1, 7);
    let (mut races, mut won, mut both) = (0, 0, 0);
    for round in 0..rounds {
        for first in [First::Transaction, First::Fence, First::Neither] {
            let Race { landed, answers } =
                race(&rig, &format!("race-{first:?}-{round}"), first).await?;
            both += u64::from(answers > 1);
            let expected = match first {
                First::Transaction => true,
                First::Fence => false,
                First::Neither => landed,
            };
            anyhow::ensure!(
                landed == expected,
                "{first:?} was first, and the order was stored: {landed}"
            );
            races += 1;
            won += u64::from(landed);
        }
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = races;
    figures.add_measure("races won by the transaction", Measure::Share { part: won, whole: races });
    anyhow::ensure!(both > 0, "in no race did both checkers answer");
    figures
        .add_measure("races in which both answered", Measure::Share { part: both, whole: races });
    rig.stop().await;
    Ok(figures)
}

#[derive(Debug, Clone, Copy)]
enum First {
    Transaction,
    Fence,
    /// Both are released at the same moment.
    Neither,
}

/// Both checkers are asked twice each while the transaction is under way. The transaction and the
/// first of their fences reach the table in the order of `first`.
async fn race(rig: &Rig<'_>, key: &str, first: First) -> anyhow::Result<Race> {
    let relay = rig.proxies_of(TRANSACTION_CHECK)?.broker.broker_relay();
    let group = format!("{}{TRANSACTION_CHECK}", rig.system.names.group_prefix);
    eventually("two checkers are members", async || {
        Ok((relay.members(&group).len() >= 2).then_some(()))
    })
    .await?;
    let mut questions =
        relay.rules().on(Point::Request, frames(code::CHECK_TRANSACTION_STATE)).hold();
    let transaction = held_transaction(rig, key).await?;
    let attempt = created_by(&transaction.traffic).context("a transaction without an attempt")?;
    let check = question_of(rig, &mut questions, &attempt).await?;
    drop(questions);
    let (question, first_asked) = (check.traffic.frame.clone(), check.traffic.connection);
    let checkers = &rig.proxies_of(TRANSACTION_CHECK)?.table;
    let mut fencing = checkers.on(Point::Request, fences(&attempt)).hold();
    check.release_with(Toxic::Repeat(2));
    // Windows end, so the other checker may have been replaced by its successor.
    eventually("the other checker is asked twice", async || {
        let others = relay.members(&group).into_iter().filter(|member| *member != first_asked);
        for other in others {
            let sent = relay.inject(other, &question).await;
            if sent.is_ok() && relay.inject(other, &question).await.is_ok() {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await?;
    let fence = fencing.seen(FAULT_LIMIT).await?;
    match first {
        First::Transaction => {
            transaction.release();
            attempt_state(rig, &attempt).await?;
            fence.release();
        }
        First::Fence => {
            fence.release();
            attempt_state(rig, &attempt).await?;
            transaction.release();
        }
        First::Neither => {
            fence.release();
            transaction.release();
        }
    }
    // The later fences are lost, so their checkers read the attempt again.
    drop(fencing);
    let landed = attempt_state(rig, &attempt).await? == AttemptState::Committed;
    let journal = rig.proxies()?.journal();
    let answers = || -> BTreeSet<u64> {
        let ends = journal.ends_of(&attempt.transaction_id);
        ends.iter().map(|end| end.connection).collect()
    };
    // A checker whose window has just ended no longer answers.
    let both = async || Ok((answers().len() > 1).then_some(()));
    drop(eventually_within(BOTH_WITHIN, "both checkers answer", both).await);
    Ok(Race { landed, answers: answers().len() })
}

/// The transaction of an order with a half message, whose client does not know the outcome.
async fn held_transaction(rig: &Rig<'_>, key: &str) -> anyhow::Result<Held<TableCall>> {
    let table = &rig.proxies_of(CREATE_ORDER)?.table;
    for round in 0..CREATED_WITHOUT_BROKER_MAX {
        // Every try is held: a second try would otherwise store the order.
        let mut tries = table.on(Point::Request, creates_with_half_message).hold();
        let key = format!("{key}-{round}");
        let (outcome, transaction) = tokio::join!(rig.create(&key), tries.seen(FAULT_LIMIT));
        if outcome.is_unknown() {
            return transaction;
        }
        // On a slow machine the broker may not answer in time, and the order has no half message.
        anyhow::ensure!(outcome.acked().is_some() && transaction.is_err(), "{key}: {outcome:?}");
    }
    anyhow::bail!("{key}: the broker did not answer in time again and again")
}

const CREATED_WITHOUT_BROKER_MAX: u32 = 3;

struct Race {
    landed: bool,
    answers: usize,
}

/// For the second checker's answer, if that checker is still there.
const BOTH_WITHIN: Duration = Duration::from_secs(5);

fn fences(attempt: &Attempt) -> impl Fn(&TableCall) -> bool + Send + Sync + use<> {
    let attempt = attempt.clone();
    move |call| fenced_by(call).as_ref() == Some(&attempt)
}

/// P11.
pub(super) async fn dies_after_fence(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 8);
    for round in 0..rounds {
        let table = &rig.proxies_of(TRANSACTION_CHECK)?.table;
        let died = crash(&rig, &format!("checker-{round}"), Window::TransactionUnseen).await?;
        let attempt = died.attempt()?;
        // The broker asks after some seconds; no fence comes before that.
        let mut fencing = table.on(Point::Response, fences(&attempt)).once().hold();
        died.stopped.lose();
        let fenced = fencing.seen(FAULT_LIMIT).await?;
        rig.kill(TRANSACTION_CHECK).await?;
        fenced.lose();
        let journal = rig.proxies()?.journal();
        let ends = journal.ends_of(&attempt.transaction_id);
        anyhow::ensure!(ends.is_empty(), "it answered before it died");
        rolled_back(&rig, &attempt).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    let slowest = slowest_end(&rig)?;
    figures.add_measure("half message open for at most", Measure::Longest(slowest));
    rig.stop().await;
    Ok(figures)
}
