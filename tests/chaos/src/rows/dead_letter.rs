//! C4: a handler fails again and again, and an operator redrives its event.
//!
//! event-consumer's pauses between sixteen deliveries take more than an hour. The proxy before the
//! broker shortens them; everything else is unchanged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use application::operations::redrive::Redrive;
use application::ports::DeadLetterId;
use dynamodb::{AggregateTables, DynamoAggregates, DynamoDeadLetters};
use harness::broker_proxy::{Passage, frames};
use harness::failures::add_failures;
use harness::faults::{Point, Toxic};
use harness::order_calls::ends_alone;
use harness::remoting::code;
use harness::table_proxy::TableAnswer;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::{eventually, eventually_within};

/// The failed deliveries after which event-consumer gives an event up.
const ATTEMPTS_MAX: u32 = 16;

/// In a short run. The other failures are only written to the entry.
const ATTEMPTS_SHORT: u32 = 3;

/// In milliseconds, between two deliveries. Without it the pause takes minutes.
const PAUSE_MS: &str = "1000";

/// For a delivery that fails: the handler's 5 s, the pause, and some seconds until the broker
/// delivers a message that has become visible.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(40);

/// A redrive that publishes nothing: the sweep publishes the event.
type RedriveUnsent = Redrive<
    DynamoDeadLetters<AggregateTables>,
    DynamoAggregates,
    UuidIdentitySource,
    RocketmqPublisher,
    SystemClock,
>;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 2);
    let failing = bench.either(ATTEMPTS_SHORT, ATTEMPTS_MAX);
    let mut struck = 0;
    for round in 0..rounds {
        struck += given_up_and_redriven(&rig, round, failing).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds * u64::from(failing);
    anyhow::ensure!(
        figures.duplicate_deliveries >= rounds * u64::from(failing - 1),
        "{} deliveries were more than the first",
        figures.duplicate_deliveries
    );
    figures.add_measure("calls throttled", Measure::Count(struck));
    figures.add_measure("redriven", Measure::Count(rounds));
    rig.stop().await;
    Ok(figures)
}

/// Creates an order whose `OrderConfirmed` is throttled at each delivery, in the notification.
/// After the first failure, only `failing` deliveries are made; the other failures are only written
/// to the entry. Returns how many calls were throttled.
async fn given_up_and_redriven(rig: &Rig<'_>, round: u64, failing: u32) -> anyhow::Result<u64> {
    rest(rig).await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    let order_id = rig.settle(&format!("order-{round}")).await?;

    let proxies = rig.proxies_of(EVENT_CONSUMER)?;
    let postpones = frames(code::CHANGE_MESSAGE_INVISIBLETIME);
    let shortened = proxies.broker.on(Point::Request, postpones);
    let shortened = shortened.inflict(Toxic::Rewrite(Arc::new(|passage: &mut Passage| {
        passage.frame.fields.insert("invisibleTime".to_owned(), PAUSE_MS.to_owned());
    })));
    let throttled = proxies.table.on(Point::Request, ends_alone);
    let throttled = throttled.inflict(Toxic::Answer(TableAnswer::throttled()));
    rig.windows.keep(EVENT_CONSUMER, 1);
    let event_id = first_failure(rig, &order_id).await?;
    if failing < ATTEMPTS_MAX {
        let (tables, names) = (rig.tables(), &rig.system.names);
        let undone = ATTEMPTS_MAX - failing;
        add_failures(&tables, names, &order_id, &event_id, undone).await?;
    }
    let (key, letter) =
        eventually_within(ATTEMPT_LIMIT * failing, "the event is given up", async || {
            Ok(Records::read(rig).await?.dead_letters.into_iter().next())
        })
        .await?;
    let of_its_handler = letter.handler == "notification" && letter.attempts >= ATTEMPTS_MAX;
    anyhow::ensure!(
        of_its_handler && !letter.reason.is_empty(),
        "the event was given up with {letter:?}"
    );
    let struck = throttled.struck();
    // Each delivery has several tries, with a pause before each further one.
    anyhow::ensure!(struck >= u64::from(failing), "{struck} calls of {failing} deliveries");
    anyhow::ensure!(shortened.struck() > 0, "it was never postponed");
    drop((throttled, shortened));

    let id = DeadLetterId::parse(key.trim_start_matches("DEAD#"))?;
    redrive(rig)?.redrive(&id).await?;
    let left = Records::read(rig).await?.dead_letters;
    anyhow::ensure!(left.is_empty(), "dead letters are left: {left:?}");
    Ok(struck)
}

/// Returns the `event_id` of the order's `OrderConfirmed`, once a delivery of it has failed.
async fn first_failure(rig: &Rig<'_>, order_id: &str) -> anyhow::Result<String> {
    eventually("a delivery of the confirmation has failed", async || {
        let order = Records::read(rig).await?.orders.remove(order_id);
        let order = order.context("the order is gone")?;
        let Some(event_id) = order.event("OrderConfirmed") else { return Ok(None) };
        let failed = order.pending.get(event_id).is_some_and(|entry| entry.failures > 0);
        Ok(failed.then(|| event_id.to_owned()))
    })
    .await
}

fn redrive(rig: &Rig<'_>) -> anyhow::Result<RedriveUnsent> {
    Ok(Redrive {
        letters: DynamoDeadLetters::new(rig.tables(), rig.letters_table()?)
            .with_aggregates(rig.orders_table()?, rig.users_table()?),
        aggregates: rig.aggregates()?,
        identities: UuidIdentitySource,
        clock: SystemClock,
        publication: None,
    })
}
