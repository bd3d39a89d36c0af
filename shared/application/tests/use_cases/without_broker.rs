//! Orders are taken while no broker can be had, and their events follow.

use std::time::Duration;

use application::create_order::{CreateOrderCommand, CreateOrderError, OrderTaken};
use application::deadline::Deadline;
use application::ports::{CheckAnswer, TransactionState};
use domain::order::OrderStatus;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{key, lines, product, user};
use testkit::world::{MemoryCreateOrder, World};
use tokio::time::Instant;

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(10);

fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 1_000));
    world
}

fn command(under: Option<&str>) -> CreateOrderCommand {
    CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, 2)]),
        key: under.map(key),
        traceparent: None,
    }
}

async fn take(create_order: &MemoryCreateOrder) -> Result<OrderTaken, CreateOrderError> {
    create_order.execute(&command(None), Deadline::after(REQUEST)).await
}

async fn sweep(world: &World) {
    world.sweep().run(Deadline::after(Duration::from_secs(10))).await;
}

#[tokio::test(start_paused = true)]
async fn an_order_is_taken_and_its_event_published_once_the_broker_is_back() {
    let world = world();
    world.broker.go_away();
    let taken = take(&world.create_order_without_broker()).await.unwrap();
    let [event] = &world.tables.events()[..] else { panic!("one event is recorded") };
    assert!(event.unobserved && event.event.unpublished);
    sweep(&world).await;
    assert!(world.tables.events()[0].event.unpublished, "the broker is still away");

    world.broker.come_back();
    tokio::time::sleep(Duration::from_secs(60)).await;
    sweep(&world).await;
    assert_eq!(world.broker.visible().len(), 1);
    assert!(!world.tables.events()[0].event.unpublished);
    world.consume_events(world.registry()).run(Deadline::after(Duration::from_secs(10))).await;
    assert_eq!(world.tables.order(taken.order_id).unwrap().status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn abandoned_half_messages_belong_to_other_attempts_and_are_fenced() {
    let world = world();
    world.broker.script(BrokerFault::PrepareReplyLost, 100);
    let taken = take(&world.create_order_without_broker()).await.unwrap();
    world.broker.script(BrokerFault::PrepareReplyLost, 0);
    let abandoned = world.broker.halves();
    assert!(abandoned.len() > 2, "every try was stored: {}", abandoned.len());
    let event = &world.tables.events()[0].event;
    assert!(abandoned.iter().all(|half| half.transaction_id != event.transaction_id));

    tokio::time::sleep(REQUEST).await;
    let answers = world.broker.check_back(&world.answer_check()).await;
    assert_eq!(answers, vec![CheckAnswer::Rollback; abandoned.len()]);
    let committed = |(_, state): &(_, TransactionState)| *state == TransactionState::Committed;
    assert_eq!(world.tables.attempts().iter().filter(|attempt| committed(attempt)).count(), 1);
    assert!(world.broker.visible().is_empty());
    assert!(world.tables.order(taken.order_id).is_some());
    sweep(&world).await;
    assert_eq!(world.broker.visible().len(), 1, "one order, one event");
}

#[tokio::test(start_paused = true)]
async fn a_doubtful_half_message_is_abandoned_at_once() {
    let world = world();
    world.broker.script(BrokerFault::PrepareDoubtful, 1);
    take(&world.create_order_without_broker()).await.unwrap();
    let [half] = &world.broker.halves()[..] else { panic!("there is one half message") };
    assert!(half.ends.is_empty(), "it is never committed");
    let event = &world.tables.events()[0].event;
    assert!(event.unpublished && event.transaction_id != half.transaction_id);
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_the_half_message_is_skipped_for_ten_seconds() {
    let world = world();
    let create_order = world.create_order_without_broker();
    world.broker.go_away();
    let mut took = Vec::new();
    for _ in 0..4 {
        let started = Instant::now();
        take(&create_order).await.unwrap();
        took.push(started.elapsed());
    }
    assert!(took[..3].iter().all(|took| *took >= Duration::from_secs(2)), "{took:?}");
    assert!(took[3] < Duration::from_millis(100), "{took:?}");

    world.broker.come_back();
    take(&create_order).await.unwrap();
    assert!(world.broker.halves().is_empty(), "it is still skipped");
    tokio::time::sleep(Duration::from_secs(10)).await;
    take(&create_order).await.unwrap();
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_fate_is_unknown_is_told_as_open_and_settled_by_its_key() {
    let world = world();
    world.broker.go_away();
    let create_order = world.create_order_without_broker();
    world.tables.break_down(Operation::Place, Fault::LandsLate);
    let keyed = command(Some("key-1"));
    let error = create_order.execute(&keyed, Deadline::after(REQUEST)).await.unwrap_err();
    let CreateOrderError::Open { order_id, .. } = error else { panic!("{error:?}") };
    world.tables.heal(Operation::Place);
    world.tables.land_late_writes();
    let again = create_order.execute(&keyed, Deadline::after(REQUEST)).await.unwrap();
    assert_eq!((again.order_id, again.replayed), (order_id, true));
    world.broker.come_back();
    tokio::time::sleep(Duration::from_secs(60)).await;
    sweep(&world).await;
    assert_eq!((world.tables.orders().len(), world.broker.visible().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn where_it_is_not_accepted_no_order_is_taken() {
    let world = world();
    world.broker.go_away();
    let error = take(&world.create_order()).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{error:?}");
    assert!(world.tables.orders().is_empty() && world.tables.events().is_empty());
}
