//! K1: functions whose clocks are wrong.

use std::sync::Arc;
use std::time::Duration;

use application::ports::Clock;
use harness::broker_proxy::Passage;
use harness::faults::{Point, Toxic};
use harness::remoting::code;
use harness::skew;
use platform::clock::SystemClock;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, EVENT_CONSUMER, Rig, TRANSACTION_CHECK};
use crate::waiting::{PAST_THE_SWEEP, eventually};

/// In milliseconds, for the functions on a schedule.
const SCHEDULED_MS: [i64; 8] = [400, -400, 2_000, -2_000, 60_000, -60_000, 3_600_000, -3_600_000];

/// In milliseconds, for create-order. If its clock is wrong by more than the leeway of a minute,
/// another function's token is from the future, which it answers with 503, or not valid any more.
const CREATING_MS: [i64; 4] = [2_000, -2_000, 55_000, -55_000];

/// No order waits for a clock: this is less than the time for which a received message is invisible
/// to other consumers, and enough for a slow machine.
const FINISHED_WITHIN: Duration = Duration::from_secs(20);

/// The row waits for a login's event unless the sweep's clock, by which the event is due, is
/// further behind than this.
const AWAITED_BEHIND: Duration = Duration::from_secs(60);

/// The age of the control's requests: more than the broker's 500 ms and the time for which it lets
/// a request wait (`PopMessageRequestHeader.isTimeoutTooMuch`).
const BEHIND: Duration = Duration::from_secs(3);

const WATCHED: Duration = Duration::from_secs(5);

/// The share of a processor that an idle consumer may use. It once used 40 %.
const BUSY_MAX: f64 = 0.2;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let scheduled: &[i64] = bench.either(&[-3_000, 3_600_000, -3_600_000], &SCHEDULED_MS);
    let creating: &[i64] = bench.either(&[55_000], &CREATING_MS);
    let mut figures = Figures::default();
    for offset in scheduled {
        figures.merge(off(bench, &[EVENT_CONSUMER, TRANSACTION_CHECK], *offset).await?);
    }
    for offset in creating {
        figures.merge(off(bench, &[CREATE_ORDER], *offset).await?);
    }
    figures.merge(judged_by_the_consumer(bench).await?);
    Ok(figures)
}

/// The control: event-consumer's requests name the time at which they were made, as the client's
/// own call does, and its clock is 3 s behind. The broker treats them as too old, and immediately
/// answers without a message. That is counted as a failure.
async fn judged_by_the_consumer(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let relay = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay();
    let polls = |passage: &Passage| passage.frame.code == code::POP_MESSAGE;
    let date = Toxic::Rewrite(Arc::new(|passage: &mut Passage| {
        let born = SystemClock.now().minus(BEHIND).as_millis().to_string();
        passage.frame.fields.insert("bornTime".to_owned(), born);
    }));
    rest(&rig).await?;
    let dated = relay.rules().on(Point::Request, polls).inflict(date);
    // Older requests, which have no date, get no message after this time.
    tokio::time::sleep(BEHIND).await;
    let orders = bench.either(3, 10);
    let created = rig.create_all("order", orders).await.len();
    anyhow::ensure!(u64::try_from(created)? == orders, "{created} of {orders} orders were created");
    tokio::time::sleep(WATCHED).await;
    let standing = Records::read(&rig).await?.unfinished().len();
    anyhow::ensure!(standing == created, "{standing} of {created} orders stand");
    eventually("the refused requests are counted", async || {
        Ok((rig.metric("FailedReceives")? > Some(0.0)).then_some(()))
    })
    .await?;
    drop(dated);
    rig.until_finished("orders go on when the broker judges by its own clock").await?;
    let mut figures = judge_clean(&rig).await?;
    let standing = Measure::Share { part: u64::try_from(standing)?, whole: orders };
    figures.add_measure("control: stand while brokers judge by a clock 3 s behind", standing);
    rig.stop().await;
    Ok(figures)
}

/// Creates orders while the clocks of these functions are wrong by `offset_ms`.
async fn off(bench: Bench<'_>, functions: &[&str], offset_ms: i64) -> anyhow::Result<Figures> {
    let target = harness::system::SystemOptions::isolated(&harness::checkout::root()?)?.target;
    let environment = skew::environment(&target, offset_ms).await?;
    let rig = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        for function in functions {
            let variables = options.function_environment.entry((*function).to_owned()).or_default();
            variables.extend(environment.clone());
        }
    })
    .await?;
    let orders = bench.either(3, 10);
    let created = rig.create_all("order", orders).await.len();
    anyhow::ensure!(u64::try_from(created)? == orders, "{created} of {orders} orders were created");
    let what = format!("orders are finished with {functions:?} off by {offset_ms} ms");
    let finished = rig.until_finished(&what).await?;
    anyhow::ensure!(finished < FINISHED_WITHIN, "{what} after {finished:?}");
    let login = login_handled(&rig, functions, offset_ms).await?;
    let before = rig.processor_time(EVENT_CONSUMER)?;
    tokio::time::sleep(WATCHED).await;
    let used = rig.processor_time(EVENT_CONSUMER)?.saturating_sub(before);
    let busy = used.div_duration_f64(WATCHED);
    anyhow::ensure!(busy < BUSY_MAX, "an idle event-consumer is busy for {busy:.2} of the time");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 1;
    figures.add_measure("orders finished within", Measure::Longest(finished));
    if let Some(login) = login {
        figures.add_measure("a login's event handled within", Measure::Longest(login));
    }
    figures.add_measure("processor time of idle consumers in 5 s", Measure::Longest(used));
    rig.stop().await;
    Ok(figures)
}

/// Logs the user in, and returns how long it takes until the event is handled. `None` if nobody who
/// publishes or consumes it has a wrong clock, or if it would be due too late.
async fn login_handled(
    rig: &Rig<'_>,
    functions: &[&str],
    offset_ms: i64,
) -> anyhow::Result<Option<Duration>> {
    let behind = Duration::from_millis(u64::try_from(-offset_ms).unwrap_or_default());
    if functions == [CREATE_ORDER] || behind > AWAITED_BEHIND {
        return Ok(None);
    }
    rig.log_in().await?;
    let what = format!("a login's event is handled with {functions:?} off by {offset_ms} ms");
    let limit = PAST_THE_SWEEP + behind;
    rig.until_users_are_handled(limit, &what).await.map(Some)
}
