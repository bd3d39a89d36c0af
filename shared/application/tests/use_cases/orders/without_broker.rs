//! Orders are created while no broker can be reached, and their events follow.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::Registry;
use application::orders::create::{CreateOrder, CreateOrderError, WithoutBroker};
use application::ports::CheckAnswer;
use domain::order::OrderStatus;
use domain::pending::Publication;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::world::World;
use tokio::time::Instant;

use super::create::{command, create, stored, world};

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// Long enough for one look of the sweep.
const LOOK: Duration = Duration::from_secs(6);

async fn sweep(world: &World) {
    world.sweep_pending().run(Deadline::after(LOOK)).await;
}

#[tokio::test(start_paused = true)]
async fn an_order_is_created_without_the_broker_and_marked_as_never_sent() {
    let world = world();
    world.broker.become_unreachable();
    let reply = create(&world, &command(1, None)).await.unwrap();
    let stored = stored(&world, &reply);
    let entry = stored.pending.get(stored.created_event()).unwrap();
    assert_eq!(entry.publication, Publication::Unsent);
    assert_eq!(entry.due, entry.since, "the sweep looks at once");
}

#[tokio::test(start_paused = true)]
async fn a_half_message_that_the_broker_does_not_vouch_for_is_abandoned() {
    let world = world();
    world.broker.script(BrokerFault::PrepareDoubtful, 1);
    let reply = create(&world, &command(1, None)).await.unwrap();
    let [abandoned] = &world.broker.halves()[..] else { panic!("it is not tried again") };
    let stored = stored(&world, &reply);
    assert_ne!(abandoned.transaction_id, stored.attempt);
    let entry = stored.pending.get(stored.created_event()).unwrap();
    assert_eq!(entry.publication, Publication::Unsent);
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Rollback], "another attempt created the order");
    assert_eq!(world.broker.visible().len(), 0);
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0, "without a write");
}

#[tokio::test(start_paused = true)]
async fn without_the_broker_nothing_is_stored_where_that_is_refused() {
    let world = world();
    world.broker.become_unreachable();
    let create = CreateOrder { without_broker: WithoutBroker::Refuse, ..world.create_orders() };
    let refused = create.execute(&command(1, None), Deadline::after(REQUEST)).await.unwrap_err();
    assert!(matches!(refused, CreateOrderError::Unavailable { .. }), "{refused:?}");
    assert_eq!(world.tables.calls(Operation::CreateOrder), 0);
}

#[tokio::test(start_paused = true)]
async fn the_event_of_an_order_is_published_once_the_broker_is_back() {
    let world = world();
    world.broker.become_unreachable();
    let reply = create(&world, &command(1, None)).await.unwrap();
    sweep(&world).await;
    assert_eq!(world.broker.visible().len(), 0, "the broker is still away");
    assert_eq!(world.tables.pending_events(), 1);

    world.broker.become_reachable();
    tokio::time::sleep(Duration::from_secs(60)).await;
    sweep(&world).await;
    assert_eq!(world.broker.visible().len(), 1);
    world.consume_pending(Registry::default()).run(Deadline::after(REQUEST)).await;
    assert_eq!(stored(&world, &reply).order.status(), OrderStatus::Confirmed);
    assert_eq!(world.tables.pending_events(), 0);
}

#[tokio::test(start_paused = true)]
async fn abandoned_half_messages_belong_to_other_attempts_and_are_never_committed() {
    let world = world();
    world.broker.script(BrokerFault::PrepareReplyLost, 100);
    let reply = create(&world, &command(1, None)).await.unwrap();
    world.broker.script(BrokerFault::PrepareReplyLost, 0);
    let abandoned = world.broker.halves();
    assert!(abandoned.len() > 2, "every try was stored: {}", abandoned.len());
    let attempt = stored(&world, &reply).attempt;
    assert!(abandoned.iter().all(|half| half.transaction_id != attempt));

    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, vec![CheckAnswer::Rollback; abandoned.len()]);
    assert_eq!(world.broker.visible().len(), 0);
    assert_eq!(stored(&world, &reply).attempt, attempt, "the order is not changed");
    sweep(&world).await;
    assert_eq!(world.broker.visible().len(), 1, "one order, one event");
    assert_eq!(world.broker.copies_of(attempt).visible, 1);
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_the_half_message_is_skipped_for_ten_seconds() {
    let world = world();
    let create = world.create_orders();
    let timed = async || {
        let started = Instant::now();
        create.execute(&command(1, None), Deadline::after(REQUEST)).await.unwrap();
        started.elapsed()
    };
    world.broker.become_unreachable();
    for _ in 0..3 {
        let took = timed().await;
        assert!(took >= Duration::from_secs(2), "it tried until its deadline: {took:?}");
    }
    let took = timed().await;
    assert!(took < Duration::from_millis(100), "{took:?}");

    world.broker.become_reachable();
    timed().await;
    assert_eq!(world.broker.halves().len(), 0, "it is still skipped");
    tokio::time::sleep(Duration::from_secs(10)).await;
    timed().await;
    assert_eq!(world.broker.visible().len(), 1);
    assert_eq!(world.tables.stored_orders().len(), 6, "each request has created its order");
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_outcome_is_unknown_is_answered_as_open_and_settled_by_its_key() {
    let world = world();
    world.broker.become_unreachable();
    world.tables.fail_every_call(Operation::CreateOrder, Fault::LandsLate);
    let keyed = command(1, Some("key-1"));
    let error = create(&world, &keyed).await.unwrap_err();
    let CreateOrderError::Open { order_id, .. } = error else { panic!("{error:?}") };
    world.tables.heal(Operation::CreateOrder);
    assert_eq!(world.tables.apply_late_writes(), 3);
    let again = create(&world, &keyed).await.unwrap();
    assert_eq!((again.replayed, again.order.id()), (true, order_id));
    world.broker.become_reachable();
    tokio::time::sleep(Duration::from_secs(60)).await;
    sweep(&world).await;
    assert_eq!((world.tables.stored_orders().len(), world.broker.visible().len()), (1, 1));
}
