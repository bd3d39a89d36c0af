//! Events of the past are sent again, and have no effect in our handlers.

use std::num::NonZeroU32;
use std::time::Duration;

use application::deadline::Deadline;
use application::lifetimes;
use application::operations::replay::{Replay, ReplayError};
use application::outcome::FailureClass;
use application::ports::IdentitySource;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{MINUTE, event, publish};
use crate::events::{assert_confirmed_once, consume, created, stored};
use crate::orders::create::world;

fn replay(world: &World) -> Replay<MemoryTables, MemoryBroker, ManualClock, SequentialIdentities> {
    Replay {
        aggregates: world.tables.clone(),
        publication: publish(world),
        identities: world.identities.clone(),
        events_per_second: NonZeroU32::new(100).unwrap(),
    }
}

/// An event that no broker acknowledges: longer than a replay tries it.
fn lose_answers(world: &World, fault: BrokerFault) {
    world.broker.script(fault, 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_every_event_byte_for_byte_and_has_no_effect_of_ours() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, MINUTE).await;
    let first = world.broker.visible();
    let stored = world.tables.stored_order(id).unwrap();
    let sent = replay(&world).run(&[stored.key()], None, |_| {}).await.unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(world.broker.visible()[2..], first[..], "in the order of the history");
    consume(&world, MINUTE).await;
    assert_eq!(world.broker.unacknowledged(), 0);
    assert_eq!(world.tables.stored_order(id), Some(stored.clone()), "nothing has changed");
    let missing = "USER#1/ORDER#01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let missing = replay(&world).run(&[missing], None, |_| {}).await.unwrap_err();
    assert!(matches!(missing, ReplayError::NotFound(_)), "{missing:?}");
    lose_answers(&world, BrokerFault::PrepareFails);
    let failed = replay(&world).run(&[stored.key()], None, |_| {}).await.unwrap_err();
    assert!(matches!(failed, ReplayError::Send { .. }), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_what_is_pending_is_found_by_the_sweep() {
    let world = world();
    world.broker.script(BrokerFault::EndLost, 1);
    let id = created(&world, 2).await;
    world.broker.discard_open_halves();
    let attempt = stored(&world, id).attempt;
    replay(&world).run(&[stored(&world, id).key()], None, |_| {}).await.unwrap();
    assert_eq!(world.broker.copies_of(attempt).visible, 1);
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let swept = world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await;
    assert_eq!((swept.found, swept.sent), (1, 0), "{swept:?}");
    consume(&world, MINUTE).await;
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_was_not_acknowledged_or_cannot_be_read_says_so() {
    let world = world();
    let id = created(&world, 2).await;
    let key = stored(&world, id).key();
    lose_answers(&world, BrokerFault::EndReplyLost);
    let error = replay(&world).run(&[key], None, |_| {}).await.unwrap_err();
    let ReplayError::Send { event_id, .. } = error else { panic!("{error:?}") };
    assert_eq!(event_id, stored(&world, id).created_event());
    world.tables.script(Operation::FindAggregate, [Fault::Refused(FailureClass::Unavailable)]);
    let error = replay(&world).run(&[key], None, |_| {}).await.unwrap_err();
    assert!(matches!(error, ReplayError::Unread { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_one_event_sends_no_other() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, MINUTE).await;
    let stored = world.tables.stored_order(id).unwrap();
    let created = stored.created_event();
    let before = world.broker.visible().len();
    let planned = replay(&world).plan(&[stored.key()], Some(created)).await.unwrap();
    assert_eq!(world.broker.visible().len(), before, "a plan sends nothing");
    let mut sent = Vec::new();
    let replayed = replay(&world);
    let one = replayed.run(&[stored.key()], Some(created), |event| sent.push(*event)).await;
    assert_eq!(one.unwrap(), planned);
    assert_eq!(sent, planned);
    let visible = world.broker.visible();
    assert_eq!(visible.len(), before + 1);
    assert_eq!(event(&visible[before]).id, *created.as_uuid());
    let other = world.identities.event_id();
    let unknown = replay(&world).run(&[stored.key()], Some(other), |_| {}).await.unwrap_err();
    assert!(matches!(unknown, ReplayError::NotRaised(_)), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_several_aggregates_keeps_its_rate_and_outlasts_a_moment_without_the_broker() {
    let world = world();
    let mut keys = Vec::new();
    for _ in 0..5 {
        let id = created(&world, 1).await;
        keys.push(stored(&world, id).key());
    }
    consume(&world, MINUTE).await;
    let before = world.broker.visible().len();
    let two_a_second = NonZeroU32::new(2).unwrap();
    let replay = Replay { events_per_second: two_a_second, ..replay(&world) };
    let started = tokio::time::Instant::now();
    let sent = replay.run(&keys, None, |_| {}).await.unwrap();
    let took = started.elapsed().as_secs_f64();
    assert!((4.4..6.0).contains(&took), "10 events at 2 a second took {took} s");
    let aggregates: Vec<_> = sent.iter().map(|event| event.aggregate).collect();
    assert_eq!(aggregates, keys.iter().flat_map(|key| [*key, *key]).collect::<Vec<_>>());
    assert_eq!(world.broker.visible().len(), before + 10);
    world.broker.script(BrokerFault::PrepareFails, 3);
    assert_eq!(replay.run(&keys, None, |_| {}).await.unwrap(), sent);
}
