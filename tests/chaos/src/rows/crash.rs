//! P1, P2, P3, P5: create-order dies in each of its windows.

use std::time::Duration;

use harness::broker_proxy::Resolution;
use harness::faults::Point;
use harness::order_calls::Attempt;
use harness::table_proxy::calls;
use tokio::time::Instant;

use super::Bench;
use super::window::{Stopped, Window, amid, rolled_back};
use crate::controls::Control;
use crate::figures::{Figures, Measure, Recovery};
use crate::judge::{AttemptState, attempt_state, judge_as_it_is, judge_clean, recovers, rest};
use crate::rig::{CREATE_ORDER, Crew, FAULT_LIMIT, Rig};
use crate::waiting::eventually;

/// P1.
pub(super) async fn half_unacknowledged(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds = bench.either(2, 10);
    for round in 0..rounds {
        let died = crash(&rig, &format!("half-{round}"), Window::HalfUnacknowledged).await?;
        drained(&rig, died.at, Resolution::Rollback).await?;
    }
    let figures = settled(&rig, rounds).await?;
    rig.stop().await;
    Ok(figures)
}

/// P2.
pub(super) async fn transaction_unseen(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds = bench.either(2, 10);
    for round in 0..rounds {
        let died = crash(&rig, &format!("unseen-{round}"), Window::TransactionUnseen).await?;
        let attempt = died.attempt()?;
        died.stopped.lose();
        anyhow::ensure!(attempt_state(&rig, &attempt).await? == AttemptState::Fenced);
        drained(&rig, died.at, Resolution::Rollback).await?;
    }
    let figures = settled(&rig, rounds).await?;
    rig.stop().await;
    Ok(figures)
}

/// P3.
pub(super) async fn transaction_late(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds = bench.either(2, 10);
    for round in 0..rounds {
        let died = crash(&rig, &format!("late-{round}"), Window::TransactionUnseen).await?;
        let attempt = died.attempt()?;
        anyhow::ensure!(attempt_state(&rig, &attempt).await? == AttemptState::Fenced);
        let table = &rig.proxies_of(CREATE_ORDER)?.table;
        let mut landing = table.on(Point::Response, calls("PutItem")).once().hold();
        died.stopped.release();
        let landed = landing.seen(FAULT_LIMIT).await?;
        let answer = landed.traffic.answer.as_ref();
        let answer = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
        // The put's answer names the item that it found: the tombstone.
        let refused = |answer: &String| {
            answer.contains("ConditionalCheckFailedException") && answer.contains("fenced")
        };
        let is_refused = answer.as_ref().is_some_and(refused);
        anyhow::ensure!(is_refused, "the late transaction was answered with {answer:?}");
        landed.release();
    }
    let mut figures = settled(&rig, rounds).await?;
    let revived = late_without_fence(&bench).await?;
    figures.add_measure("control: stored after a ROLLBACK without the fence", revived);
    rig.stop().await;
    Ok(figures)
}

/// How many late transactions are stored after their ROLLBACK if nothing is fenced: all.
async fn late_without_fence(bench: &Bench<'_>) -> anyhow::Result<Measure> {
    let control = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        Control::WithoutFence.stand_in(options);
    })
    .await?;
    let rounds: u64 = bench.either(1, 4);
    for round in 0..rounds {
        let died = crash(&control, &format!("late-{round}"), Window::TransactionUnseen).await?;
        let attempt = died.attempt()?;
        rolled_back(&control, &attempt).await?;
        died.stopped.release();
        let state = attempt_state(&control, &attempt).await?;
        let is_stored = state == AttemptState::Committed;
        anyhow::ensure!(is_stored, "without the fence, the attempt is {state:?}");
    }
    let part = judge_as_it_is(&control).await?.figures.revived;
    anyhow::ensure!(part == rounds, "without the fence, {part} of {rounds} were stored");
    control.stop().await;
    Ok(Measure::Share { part, whole: rounds })
}

/// P5.
pub(super) async fn end_unseen(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds = bench.either(3, 20);
    for round in 0..rounds {
        let died = crash(&rig, &format!("end-{round}"), Window::EndUnseen).await?;
        died.stopped.lose();
        rest(&rig).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    anyhow::ensure!(figures.fenced == 0, "a stored transaction was fenced");
    let journal = rig.proxies()?.journal();
    let by_check = journal
        .ends()
        .into_iter()
        .filter(|end| end.from_check && end.passed_on && end.resolution == Resolution::Commit);
    let by_check = u64::try_from(by_check.count())?;
    anyhow::ensure!(by_check >= rounds, "{by_check} of {rounds} were committed by a check-back");
    rig.stop().await;
    Ok(figures)
}

pub(super) struct Death {
    pub(super) at: Instant,
    /// What the process had sent, or the answer that it waited for.
    pub(super) stopped: Stopped,
}

impl Death {
    pub(super) fn attempt(&self) -> anyhow::Result<Attempt> {
        self.stopped.attempt()
    }
}

/// Requests an order and kills create-order in a window. The client must not learn the outcome.
pub(super) async fn crash(rig: &Rig<'_>, key: &str, window: Window) -> anyhow::Result<Death> {
    let (outcome, death) = amid(rig, key, window, async |stopped| {
        rig.kill(CREATE_ORDER).await?;
        Ok(Death { at: Instant::now(), stopped })
    })
    .await?;
    anyhow::ensure!(outcome.is_unknown(), "a process that died answered {outcome:?}");
    Ok(death)
}

/// Waits until every half message has ended, the last one with `resolution` and after `since`.
async fn drained(rig: &Rig<'_>, since: Instant, resolution: Resolution) -> anyhow::Result<()> {
    let journal = rig.proxies()?.journal();
    let none_open = async || Ok(journal.open().is_empty().then_some(()));
    recovers(rig, eventually("no half message is open", none_open)).await?;
    rig.add_recovery(Recovery::new(since.elapsed(), Duration::ZERO));
    let ends = journal.ends();
    let last = ends.iter().rev().find(|end| end.passed_on && end.resolution == resolution);
    anyhow::ensure!(
        last.is_some_and(|end| end.at > since && end.from_check),
        "the last half message did not end with {resolution:?} by a check-back"
    );
    Ok(())
}

/// Asserts that every crash left a fenced attempt, and no order except the one that the client's
/// retry created.
async fn settled(rig: &Rig<'_>, rounds: u64) -> anyhow::Result<Figures> {
    let mut figures = judge_clean(rig).await?;
    figures.faults = rounds;
    anyhow::ensure!(
        figures.fenced >= rounds,
        "{} attempts were fenced after {rounds} crashes",
        figures.fenced
    );
    let slowest = slowest_end(rig)?;
    figures.add_measure("half message open for at most", Measure::Longest(slowest));
    Ok(figures)
}

/// The longest time for which a half message was open.
pub(super) fn slowest_end(rig: &Rig<'_>) -> anyhow::Result<Duration> {
    let journal = rig.proxies()?.journal();
    let ends = journal.ends();
    let waited = journal.halves().into_iter().filter_map(|half| {
        let is_its_end = |end: &&harness::broker_proxy::End| {
            end.message_id == half.message_id
                && end.passed_on
                && end.resolution != Resolution::Unknown
        };
        Some(ends.iter().find(is_its_end)?.at.saturating_duration_since(half.at))
    });
    Ok(waited.max().unwrap_or_default())
}
