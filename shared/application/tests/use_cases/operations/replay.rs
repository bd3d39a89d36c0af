//! Events of the past are sent again, and have no effect in our handlers.

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
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_every_event_byte_for_byte_and_has_no_effect_of_ours() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, MINUTE).await;
    let first = world.broker.visible();
    let stored = world.tables.stored_order(id).unwrap();
    let sent = replay(&world).aggregate(stored.key(), None, |_| {}).await.unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(world.broker.visible()[2..], first[..], "in the order of the history");
    consume(&world, MINUTE).await;
    assert_eq!(world.broker.unacknowledged(), 0);
    assert_eq!(world.tables.stored_order(id), Some(stored.clone()), "nothing has changed");
    let missing = "USER#1/ORDER#01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let missing = replay(&world).aggregate(missing, None, |_| {}).await.unwrap_err();
    assert!(matches!(missing, ReplayError::NotFound), "{missing:?}");
    world.broker.script(BrokerFault::PrepareFails, 1);
    let failed = replay(&world).aggregate(stored.key(), None, |_| {}).await.unwrap_err();
    assert!(matches!(failed, ReplayError::Send { .. }), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_what_is_pending_is_found_by_the_sweep() {
    let world = world();
    world.broker.script(BrokerFault::EndLost, 1);
    let id = created(&world, 2).await;
    world.broker.discard_open_halves();
    let attempt = stored(&world, id).attempt;
    replay(&world).aggregate(stored(&world, id).key(), None, |_| {}).await.unwrap();
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
    world.broker.script(BrokerFault::EndReplyLost, 1);
    let error = replay(&world).aggregate(key, None, |_| {}).await.unwrap_err();
    let ReplayError::Send { event_id, .. } = error else { panic!("{error:?}") };
    assert_eq!(event_id, stored(&world, id).created_event());
    world.tables.script(Operation::FindAggregate, [Fault::Refused(FailureClass::Unavailable)]);
    let error = replay(&world).aggregate(key, None, |_| {}).await.unwrap_err();
    assert!(matches!(error, ReplayError::Unread(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_one_event_sends_no_other() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, MINUTE).await;
    let stored = world.tables.stored_order(id).unwrap();
    let created = stored.created_event();
    let before = world.broker.visible().len();
    let planned = replay(&world).plan(stored.key(), Some(created)).await.unwrap();
    assert_eq!(world.broker.visible().len(), before, "a plan sends nothing");
    let mut sent = Vec::new();
    let replayed = replay(&world);
    let one = replayed.aggregate(stored.key(), Some(created), |event| sent.push(*event));
    assert_eq!(one.await.unwrap(), planned);
    assert_eq!(sent, planned);
    let visible = world.broker.visible();
    assert_eq!(visible.len(), before + 1);
    assert_eq!(event(&visible[before]).id, *created.as_uuid());
    let other = world.identities.event_id();
    let unknown = replay(&world).aggregate(stored.key(), Some(other), |_| {}).await.unwrap_err();
    assert!(matches!(unknown, ReplayError::NotRaised), "{unknown:?}");
}
