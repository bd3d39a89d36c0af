//! K1: functions whose clocks are wrong.

use std::time::Duration;

use harness::skew;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{CREATE_ORDER, Crew, EVENT_CONSUMER, Rig, TRANSACTION_CHECK};

/// By how much a clock is off, in milliseconds, for the functions on a schedule.
const SCHEDULED_MS: [i64; 8] = [400, -400, 2_000, -2_000, 60_000, -60_000, 3_600_000, -3_600_000];

/// The same for create-order. To a function whose clock is off by more than the leeway of a minute,
/// a token that another function has signed is not valid yet, or not any more.
const CREATING_MS: [i64; 4] = [2_000, -2_000, 55_000, -55_000];

/// No order waits for a clock: this is less than the time for which a received message is invisible
/// to other consumers, and long enough for a slow machine.
const FINISHED_WITHIN: Duration = Duration::from_secs(20);

/// For how long an idle consumer is watched.
const WATCHED: Duration = Duration::from_secs(5);

/// The greatest share of a processor that an idle consumer may use. It once used 40 %.
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
    Ok(figures)
}

/// Creates orders with the clocks of these functions off by so many milliseconds.
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
    let before = rig.processor_time(EVENT_CONSUMER)?;
    tokio::time::sleep(WATCHED).await;
    let used = rig.processor_time(EVENT_CONSUMER)?.saturating_sub(before);
    let busy = used.div_duration_f64(WATCHED);
    anyhow::ensure!(busy < BUSY_MAX, "an idle event-consumer is busy for {busy:.2} of the time");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 1;
    figures.add_measure("orders finished within", Measure::Longest(finished));
    figures.add_measure("processor time of idle consumers in 5 s", Measure::Longest(used));
    rig.stop().await;
    Ok(figures)
}
