//! Pending events are listed, and published again at once.

use std::cell::Cell;
use std::time::Duration;

use application::deadline::Deadline;
use application::lifetimes;
use application::operations::list_pending::{ListPending, ListedEvent};
use application::operations::republish::{Republish, RepublishError};
use application::outcome::FailureClass;
use application::ports::{Clock, IdentitySource};
use contracts::event::EventType;
use domain::order::OrderStatus;
use domain::pending::{PendingEvent, Publication};
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{MINUTE, event, publish};
use crate::events::{assert_confirmed_once, consume, created, stored};
use crate::orders::create::{command, create, world};

fn list(world: &World) -> ListPending<MemoryTables, MemoryTables, ManualClock> {
    ListPending {
        index: world.tables.clone(),
        aggregates: world.tables.clone(),
        clock: world.clock.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn pending_events_are_listed_the_oldest_first_and_handled_ones_are_not() {
    let world = world();
    let handled = create(&world, &command(1, None)).await.unwrap().order.id();
    consume(&world, MINUTE).await;
    assert!(world.tables.stored_order(handled).unwrap().pending.is_empty());
    let mut created = Vec::new();
    for _ in 0..6 {
        created.push(create(&world, &command(1, None)).await.unwrap().order.id());
        world.clock.advance(MINUTE);
    }
    let progress = Cell::new(0);
    let listing =
        list(&world).oldest(Duration::ZERO, 4, |found| progress.set(found)).await.unwrap();
    assert_eq!((listing.found, listing.unreadable, progress.get()), (6, 0, 6));
    let stored_order = |id| world.tables.stored_order(id).unwrap();
    let expected = created.iter().take(4).map(|id| {
        let stored = stored_order(*id);
        let event_id = stored.created_event();
        let entry = stored.pending.get(event_id).unwrap().clone();
        let event_type = Some(EventType::OrderCreated);
        ListedEvent { aggregate: stored.key(), event_id, event_type, entry }
    });
    assert_eq!(listing.items, expected.collect::<Vec<_>>());
    let old = list(&world).oldest(MINUTE * 5, 50, |_| {}).await.unwrap();
    assert_eq!(old.items.len(), 2);
    world.tables.fail_every_call(Operation::FindAggregate, Fault::Refused(FailureClass::Permanent));
    let unreadable = list(&world).oldest(Duration::ZERO, 50, |_| {}).await.unwrap();
    assert_eq!((unreadable.found, unreadable.unreadable), (0, 6));
    world.tables.fail_every_call(Operation::FindAggregate, Fault::Refused(FailureClass::Throttled));
    list(&world).oldest(Duration::ZERO, 50, |_| {}).await.unwrap_err();
}

fn republish(
    world: &World,
) -> Republish<MemoryTables, MemoryBroker, ManualClock, SequentialIdentities> {
    Republish {
        aggregates: world.tables.clone(),
        publication: publish(world),
        identities: world.identities.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pending_event_is_published_again_under_a_new_publication() {
    let world = world();
    let id = create(&world, &command(2, None)).await.unwrap().order.id();
    let mut stored = world.tables.stored_order(id).unwrap();
    let (key, created) = (stored.key(), stored.created_event());
    // As the sweep leaves an event that it has published again as often as allowed.
    let given_up = PendingEvent {
        publication: Publication::Found,
        copies: 5,
        failures: 2,
        due: world.clock.now().plus(MINUTE * 60),
        ..stored.pending.get(created).unwrap().clone()
    };
    stored.pending.put(created, given_up.clone());
    world.tables.put_stored_order(stored);
    assert_eq!(republish(&world).examine(key, created).await.unwrap(), given_up);
    let before = world.broker.visible();
    let republished = republish(&world).republish(key, created).await.unwrap();
    republished.sent.unwrap();
    assert_eq!(world.broker.visible().last(), before.last(), "byte for byte the same");
    assert_eq!(world.broker.visible().len(), before.len() + 1);
    assert_eq!(world.broker.halves().last().unwrap().transaction_id, republished.publication);
    let stored = world.tables.stored_order(id).unwrap();
    let now = world.clock.now();
    let expected = PendingEvent {
        transaction_id: republished.publication,
        publication: Publication::Sent,
        published_at: now,
        due: now.plus(lifetimes::SWEEP_AFTER),
        copies: 0,
        ..given_up
    };
    assert_eq!(stored.pending.get(created), Some(&expected));
    assert_eq!(world.tables.index_entry(id).unwrap().1, expected.due);
    consume(&world, MINUTE).await;
    let confirmed = world.tables.stored_order(id).unwrap();
    assert_eq!(confirmed.order.status(), OrderStatus::Confirmed);
    assert!(confirmed.pending.is_empty());
    let handled = republish(&world).republish(key, created).await.unwrap_err();
    assert!(matches!(handled, RepublishError::NotPending), "{handled:?}");
    let unknown = world.identities.event_id();
    let unknown = republish(&world).republish(key, unknown).await.unwrap_err();
    assert!(matches!(unknown, RepublishError::NotRebuilt(_)), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_republication_that_the_broker_does_not_acknowledge_is_left_to_the_sweep() {
    for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::Busy] {
        let world = world();
        let id = create(&world, &command(2, None)).await.unwrap().order.id();
        let stored = world.tables.stored_order(id).unwrap();
        assert_eq!(world.broker.lose_unacknowledged(), 1);
        world.broker.script(BrokerFault::PrepareFails, 1);
        world.tables.script(Operation::ChangeAggregate, [fault]);
        let created = stored.created_event();
        let republished = republish(&world).republish(stored.key(), created).await.unwrap();
        republished.sent.unwrap_err();
        world.clock.advance(lifetimes::SWEEP_AFTER);
        world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await;
        let [_, again] = &world.broker.visible()[..] else { panic!("{fault:?}") };
        assert_eq!(event(again).id, *created.as_uuid(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_republished_event_is_found_by_the_sweep_and_handled_once() {
    let world = world();
    let id = created(&world, 2).await;
    let order = stored(&world, id);
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let republished =
        republish(&world).republish(order.key(), order.created_event()).await.unwrap();
    assert!(republished.sent.is_ok(), "{republished:?}");
    let swept = world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await;
    assert_eq!((swept.found, swept.sent), (0, 0), "it is not due before its claim runs out");
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let swept = world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await;
    assert_eq!((swept.found, swept.sent), (1, 0), "{swept:?}");
    assert_eq!(consume(&world, MINUTE).await.handled, 3, "two copies, and the next event");
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_or_written_is_not_published_again() {
    let world = world();
    let id = created(&world, 2).await;
    let order = stored(&world, id);
    for (operation, fault) in [
        (Operation::FindAggregate, Fault::Refused(FailureClass::Unavailable)),
        (Operation::ChangeAggregate, Fault::Refused(FailureClass::Unavailable)),
        (Operation::ChangeAggregate, Fault::RequestLost),
    ] {
        world.tables.fail_every_call(operation, fault);
        let republish = republish(&world);
        let error = republish.republish(order.key(), order.created_event()).await.unwrap_err();
        assert!(matches!(error, RepublishError::Failed(_)), "{operation:?} {fault:?}: {error:?}");
        world.tables.heal(operation);
    }
    let absent = "USER#1/ORDER#01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let error = republish(&world).republish(absent, order.created_event()).await.unwrap_err();
    assert!(matches!(error, RepublishError::NotFound), "{error:?}");
    assert_eq!(world.broker.visible().len(), 1, "nothing was sent");
    assert_eq!(stored(&world, id), order);
}
