//! C4: a handler fails again and again, and an operator gives its event another chance.
//!
//! Between sixteen deliveries event-consumer lets more than an hour pass. The proxy before the
//! broker shortens what it asks for; everything else is as it will be then.

use std::sync::Arc;
use std::time::Duration;

use application::ports::DeadLetterId;
use application::publish_recorded_event::PublishRecordedEvent;
use application::redrive_dead_letter::RedriveDeadLetter;
use dynamodb::{DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoOutbox, DynamoOutboxReader};
use harness::broker_proxy::{Passage, frames};
use harness::faults::{Point, Toxic};
use harness::redelivery::deliver_in_vain;
use harness::remoting::code;
use harness::table_proxy::TableAnswer;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;

use super::Bench;
use super::window::tells_of_creation;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::{PATIENCE, eventually_within};

/// How often event-consumer has an event delivered before it gives it up.
const ATTEMPTS_MAX: u32 = 16;

/// How many of them fail in event-consumer in a short run, which leaves the others undone.
const ATTEMPTS_SHORT: u32 = 3;

/// The pause between two deliveries, in milliseconds, in place of minutes.
const PAUSE_MS: &str = "1000";

/// How long a delivery that fails may take, with what is lost between: the handler's 5 s, the pause,
/// and some seconds until the broker hands out what has become visible.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(40);

/// What a redrive is made of. No broker is asked: the sweep publishes it.
type Redrive = RedriveDeadLetter<
    DynamoDeadLetterReader,
    DynamoDeadLetterRemoval,
    DynamoOutboxReader,
    UuidIdentitySource,
    DynamoOutbox,
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
    figures.note("calls throttled", Measure::Count(struck));
    figures.note("redriven", Measure::Count(rounds));
    rig.stop().await;
    Ok(figures)
}

/// An event whose notification is throttled at its last deliveries, `failing` of them. How many
/// calls that struck.
async fn given_up_and_redriven(rig: &Rig<'_>, round: u64, failing: u32) -> anyhow::Result<u64> {
    rest(rig).await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    rig.settle(&format!("order-{round}")).await?;
    if failing < ATTEMPTS_MAX {
        let (endpoints, names) = (&rig.system.endpoints, &rig.system.names);
        deliver_in_vain(endpoints, names, ATTEMPTS_MAX - failing, PATIENCE).await?;
    }

    let before = rig.before(EVENT_CONSUMER)?;
    let postpones = frames(code::CHANGE_MESSAGE_INVISIBLETIME);
    let shortened = before.broker.on(Point::Request, postpones);
    let shortened = shortened.inflict(Toxic::Rewrite(Arc::new(|passage: &mut Passage| {
        passage.frame.fields.insert("invisibleTime".to_owned(), PAUSE_MS.to_owned());
    })));
    let throttled = before.table.on(Point::Request, tells_of_creation);
    let throttled = throttled.inflict(Toxic::Answer(TableAnswer::throttled()));
    rig.windows.keep(EVENT_CONSUMER, 1);
    let (key, letter) =
        eventually_within(ATTEMPT_LIMIT * failing, "the event is given up", async || {
            Ok(Records::read(rig).await?.dead_letters.into_iter().next())
        })
        .await?;
    let of_its_handler = letter.handler == "notification" && letter.attempts >= ATTEMPTS_MAX;
    anyhow::ensure!(of_its_handler && !letter.reason.is_empty(), "it was given up so: {letter:?}");
    let struck = throttled.struck();
    // Each delivery has several tries. What it then asks for is a pause, but for the last time.
    anyhow::ensure!(struck >= u64::from(failing), "{struck} calls of {failing} deliveries");
    anyhow::ensure!(shortened.struck() > 0, "it was never postponed");
    drop((throttled, shortened));

    let id = DeadLetterId::parse(key.trim_start_matches("DEAD#"))?;
    redrive(rig)?.redrive(&id).await?;
    let left = Records::read(rig).await?.dead_letters;
    anyhow::ensure!(left.is_empty(), "dead letters are left: {left:?}");
    Ok(struck)
}

fn redrive(rig: &Rig<'_>) -> anyhow::Result<Redrive> {
    let (client, table) = rig.events_table()?;
    Ok(Redrive {
        letters: DynamoDeadLetterReader::new(client.clone(), table.clone()),
        removal: DynamoDeadLetterRemoval::new(client.clone(), table.clone()),
        events: DynamoOutboxReader::new(client, table),
        identities: UuidIdentitySource,
        publication: None::<PublishRecordedEvent<_, _, _>>,
        clock: SystemClock,
    })
}
