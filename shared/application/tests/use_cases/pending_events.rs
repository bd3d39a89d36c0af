//! What no consumer has seen is listed, and what was lost for a consumer is published once more.

use std::time::Duration;

use application::create_order::CreateOrderCommand;
use application::deadline::Deadline;
use application::lifetimes;
use application::list_pending_events::ListPendingEvents;
use application::outcome::FailureClass;
use application::ports::{Clock, IdentitySource, OutboxCopy, RecordedEvent, Resolution};
use application::publish_recorded_event::SendError;
use application::redelivery::RedeliveryRefused;
use application::republish_event::RepublishError;
use application::sweep::SweepReport;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{lines, product, taken, user};
use testkit::tables::MemoryTables;
use testkit::world::World;

fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 1_000));
    world
}

/// Takes an order and returns its event.
async fn take(world: &World) -> RecordedEvent {
    let command = CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, 1)]),
        key: None,
        traceparent: None,
    };
    let within = Deadline::after(Duration::from_secs(10));
    world.create_order().execute(&command, within).await.unwrap();
    world.tables.events().pop().unwrap().event
}

async fn consume(world: &World) {
    let consumer = world.consume_events(world.registry());
    consumer.run(Deadline::after(Duration::from_secs(10))).await;
}

async fn republish(world: &World, event: &RecordedEvent) -> Result<OutboxCopy, RepublishError> {
    world.republish().republish(event.message.event_id).await
}

fn list(world: &World) -> ListPendingEvents<MemoryTables, ManualClock> {
    ListPendingEvents { events: world.tables.clone(), clock: world.clock.clone() }
}

#[tokio::test(start_paused = true)]
async fn what_no_consumer_has_seen_is_listed_the_oldest_first() {
    let world = world();
    let mut recorded = Vec::new();
    for _ in 0..12 {
        recorded.push(take(&world).await.message.event_id);
        world.clock.advance(Duration::from_secs(60));
    }
    let mut progress = 0;
    let listing = list(&world).oldest(Duration::ZERO, 5, |found| progress = found).await.unwrap();
    assert_eq!((listing.found, progress), (12, 12));
    let told: Vec<_> = listing.items.iter().map(|event| event.message.event_id).collect();
    assert_eq!(told, recorded[..5]);

    let old = Duration::from_secs(8 * 60);
    let listing = list(&world).oldest(old, 100, |_| {}).await.unwrap();
    assert_eq!(listing.found, 5, "those of 12 to 8 minutes ago");

    consume(&world).await;
    let listing = list(&world).oldest(Duration::ZERO, 100, |_| {}).await.unwrap();
    assert!(listing.items.iter().all(|event| !recorded.contains(&event.message.event_id)));
}

#[tokio::test(start_paused = true)]
async fn an_observed_event_is_published_once_more_and_handled_once() {
    let world = world();
    let event = take(&world).await;
    consume(&world).await;
    consume(&world).await;
    let (orders, stored) = (world.tables.orders(), world.tables.events());
    let copy = republish(&world, &event).await.unwrap();
    assert_eq!((copy.message, copy.pending), (event.message.clone(), None));
    let half = world.broker.halves().pop().unwrap();
    assert_eq!(half.transaction_id, event.transaction_id);
    assert_eq!((half.message, half.ends), (event.message, vec![Resolution::Commit]));
    consume(&world).await;
    assert_eq!(world.broker.unacknowledged(), 0);
    assert_eq!(world.tables.orders(), orders, "nothing happened twice");
    assert_eq!(world.tables.events(), stored);
}

#[tokio::test(start_paused = true)]
async fn a_pending_event_is_claimed_before_it_is_published_once_more() {
    let world = world();
    let event = take(&world).await;
    world.clock.advance(lifetimes::SWEEP_AFTER);
    republish(&world, &event).await.unwrap();
    assert_eq!(world.broker.visible().len(), 2);
    let report = world.sweep().run(Deadline::after(Duration::from_secs(20))).await;
    let expected = SweepReport { looks: report.looks, ..SweepReport::default() };
    assert_eq!(report, expected, "it is not due before its claim runs out");

    world.tables.break_down(Operation::Claim, Fault::ReplyLost);
    let error = republish(&world, &event).await.unwrap_err();
    assert!(matches!(error, RepublishError::Failed(_)), "{error:?}");
    assert_eq!(world.broker.visible().len(), 2, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn an_unpublished_event_that_was_published_is_marked_so() {
    let world = world();
    let mut order = taken(&world.identities, user(1), &[(1, 1)], world.clock.now());
    order.event.unpublished = true;
    world.tables.put_event(&order.event);
    republish(&world, &order.event).await.unwrap();
    let stored = world.tables.event(order.event.message.event_id).unwrap();
    assert!(stored.unobserved && !stored.event.unpublished);
}

#[tokio::test(start_paused = true)]
async fn what_handlers_may_have_forgotten_is_refused_and_what_nobody_has_seen_is_not() {
    let world = world();
    let seen = take(&world).await;
    consume(&world).await;
    let unseen = take(&world).await;
    world.clock.advance(lifetimes::REDELIVERY);
    let error = republish(&world, &seen).await.unwrap_err();
    let refused = matches!(error, RepublishError::Refused(RedeliveryRefused::TooOld { .. }));
    assert!(refused, "{error:?}");
    republish(&world, &unseen).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_recorded_or_not_acknowledged_is_told_so() {
    let world = world();
    let absent = world.republish().republish(world.identities.event_id()).await.unwrap_err();
    assert!(matches!(absent, RepublishError::NotRecorded), "{absent:?}");
    let event = take(&world).await;
    world.broker.script(BrokerFault::EndReplyLost, 1);
    let error = republish(&world, &event).await.unwrap_err();
    assert!(matches!(error, RepublishError::Send(SendError::End(_))), "{error:?}");
    world.tables.script(Operation::FindCopy, [Fault::Refused(FailureClass::Unavailable)]);
    let error = republish(&world, &event).await.unwrap_err();
    assert!(matches!(error, RepublishError::Failed(_)), "{error:?}");
}
