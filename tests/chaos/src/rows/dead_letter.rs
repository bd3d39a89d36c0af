//! C4: a handler fails again and again, and an operator gives its event another chance.

use application::ports::DeadLetterId;
use application::publish_recorded_event::PublishRecordedEvent;
use application::redrive_dead_letter::RedriveDeadLetter;
use dynamodb::{DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoOutbox, DynamoOutboxReader};
use harness::faults::{Point, Toxic};
use harness::redelivery::deliver_in_vain;
use harness::table_proxy::{TableAnswer, TableCall};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{EVENT_CONSUMER, Rig};
use crate::waiting::{PATIENCE, eventually};

/// How often event-consumer has an event delivered before it gives it up.
const ATTEMPTS_MAX: u32 = 16;

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
    let rounds: u64 = bench.either(1, 3);
    let mut struck = 0;
    for round in 0..rounds {
        struck += given_up_and_redriven(&rig, round).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    figures.note("calls throttled", Measure::Count(struck));
    figures.note("redriven", Measure::Count(rounds));
    rig.stop().await;
    Ok(figures)
}

/// An event whose notification is throttled at its last delivery. How many calls that struck.
async fn given_up_and_redriven(rig: &Rig<'_>, round: u64) -> anyhow::Result<u64> {
    rest(rig).await?;
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    rig.settle(&format!("order-{round}")).await?;
    // The next delivery is the last that event-consumer grants it. By itself that takes an hour.
    let (endpoints, names) = (&rig.system.endpoints, &rig.system.names);
    deliver_in_vain(endpoints, names, ATTEMPTS_MAX - 1, PATIENCE).await?;

    let notifies = |call: &TableCall| call.touches("INBOX#notification#");
    let table = &rig.before(EVENT_CONSUMER)?.table;
    let throttled = table.on(Point::Request, notifies);
    let throttled = throttled.inflict(Toxic::Answer(TableAnswer::throttled()));
    rig.windows.keep(EVENT_CONSUMER, 1);
    let letter = eventually("the event is given up", async || {
        Ok(Records::read(rig).await?.dead_letters.into_keys().next())
    })
    .await?;
    let struck = throttled.struck();
    anyhow::ensure!(struck > 0, "nothing was throttled");
    drop(throttled);

    let id = DeadLetterId::parse(letter.trim_start_matches("DEAD#"))?;
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
