//! An order exists if and only if its `OrderCreated` is published, whatever goes wrong.

use std::time::Duration;

use application::create_order::{CreateOrder, CreateOrderCommand, CreateOrderError, OrderTaken};
use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::FailureClass;
use application::ports::{
    CheckAnswer, Clock, EndError, FenceOutcome, HalfMessage, PrepareError, Resolution,
    TransactionLedger, TransactionState, TransactionalPublisher,
};
use domain::order::OrderStatus;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{key, lines, product, product_id, user};
use testkit::world::World;

fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 10));
    world
}

fn command(quantity: u64, under: Option<&str>) -> CreateOrderCommand {
    CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, quantity)]),
        key: under.map(key),
        traceparent: None,
    }
}

async fn take(world: &World, command: &CreateOrderCommand) -> Result<OrderTaken, CreateOrderError> {
    world.create_order().execute(command, Deadline::after(Duration::from_secs(10))).await
}

/// The ends of all half messages, in the order in which these were stored.
fn ends(world: &World) -> Vec<Vec<Resolution>> {
    world.broker.halves().into_iter().map(|half| half.ends).collect()
}

#[tokio::test(start_paused = true)]
async fn a_taken_order_is_stored_and_its_half_message_committed() {
    let world = world();
    let taken = take(&world, &command(2, None)).await.unwrap();
    assert!(!taken.replayed);
    let order = world.tables.order(taken.order_id).unwrap();
    assert_eq!((order.status(), order.total().minor()), (OrderStatus::Created, 2_500));
    assert_eq!(ends(&world), [[Resolution::Commit]]);
    let half = &world.broker.halves()[0];
    let recorded = world.tables.event(half.message.event_id).unwrap();
    assert_eq!(recorded.event.message, half.message);
    assert!(recorded.unobserved && !recorded.event.unpublished);
    let committed = (half.transaction_id, TransactionState::Committed);
    assert_eq!(world.tables.attempts(), [committed]);
    assert_eq!(world.broker.visible(), std::slice::from_ref(&half.message.body));
}

#[tokio::test(start_paused = true)]
async fn while_nobody_knows_neither_a_commit_nor_a_rollback_is_sent() {
    let world = world();
    world.tables.break_down(Operation::Place, Fault::RequestLost);
    let error = take(&world, &command(1, None)).await.unwrap_err();
    let CreateOrderError::Open { order_id, .. } = error else { panic!("{error:?}") };
    assert_eq!(ends(&world), [[]]);
    assert_eq!(world.broker.halves()[0].message.subject, order_id.to_string());
    assert_eq!(world.tables.calls(Operation::Place), 3, "it was tried to the end of its time");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_settles_nothing_while_an_earlier_try_is_in_doubt() {
    for later in [
        Fault::Refused(FailureClass::Throttled),
        Fault::Refused(FailureClass::Unavailable),
        Fault::Refused(FailureClass::Permanent),
        Fault::Busy,
    ] {
        let world = world();
        world.tables.next_place(Fault::LandsLate);
        world.tables.break_down(Operation::Place, later);
        let error = take(&world, &command(1, None)).await.unwrap_err();
        let CreateOrderError::Open { order_id, .. } = error else { panic!("{later:?}: {error:?}") };
        assert_eq!(ends(&world), [[]], "{later:?}");
        assert_eq!(world.tables.land_late_writes(), 1);
        assert!(world.tables.order(order_id).is_some(), "{later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_landed_while_its_answer_was_lost_is_found_and_committed() {
    for under in [None, Some("key-1")] {
        let world = world();
        world.tables.next_place(Fault::ReplyLost);
        let taken = take(&world, &command(1, under)).await.unwrap();
        assert!(!taken.replayed, "it is this request's own");
        assert!(world.tables.order(taken.order_id).is_some());
        assert_eq!(ends(&world), [[Resolution::Commit]]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_transaction_commits_when_it_lands_before_its_check() {
    let world = world();
    world.tables.break_down(Operation::Place, Fault::LandsLate);
    assert!(matches!(take(&world, &command(1, None)).await, Err(CreateOrderError::Open { .. })));
    assert_eq!(world.tables.land_late_writes(), 3);
    assert_eq!(world.broker.check_back(&world.answer_check()).await, [CheckAnswer::Commit]);
    assert_eq!((world.tables.orders().len(), world.broker.visible().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_transaction_fails_on_the_fence_when_its_check_was_earlier() {
    let world = world();
    world.tables.break_down(Operation::Place, Fault::LandsLate);
    assert!(take(&world, &command(1, None)).await.is_err());
    world.clock.advance(lifetimes::CLOCK_MARGIN);
    assert_eq!(world.broker.check_back(&world.answer_check()).await, [CheckAnswer::Rollback]);
    assert_eq!(world.tables.land_late_writes(), 3);
    assert_eq!((world.tables.orders().len(), world.broker.visible().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_never_began_is_rolled_back() {
    for (fault, tries) in [
        (Fault::Refused(FailureClass::Throttled), 2..=1_000),
        (Fault::Refused(FailureClass::Unavailable), 2..=1_000),
        (Fault::Busy, 2..=1_000),
        (Fault::Refused(FailureClass::Permanent), 1..=1),
    ] {
        let world = world();
        world.tables.break_down(Operation::Place, fault);
        let error = take(&world, &command(1, None)).await.unwrap_err();
        assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{fault:?}: {error:?}");
        assert_eq!(ends(&world), [[Resolution::Rollback]], "{fault:?}");
        assert!(tries.contains(&world.tables.calls(Operation::Place)), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_table_is_tried_again() {
    let world = world();
    let busy = [Fault::Busy, Fault::Refused(FailureClass::Throttled), Fault::Busy];
    world.tables.script(Operation::Place, busy);
    assert!(take(&world, &command(1, None)).await.is_ok());
    assert_eq!(ends(&world), [[Resolution::Commit]]);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_attempt_is_refused_and_rolled_back() {
    let world = world();
    // While the first try is under way, the attempt is fenced.
    world.tables.next_place(Fault::RequestLost);
    let fencing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let half = world.broker.halves()[0].clone();
        let fence = world.tables.fence(half.transaction_id, world.clock.now()).await;
        assert!(matches!(fence, FenceOutcome::Won));
    };
    let keyed = command(1, Some("key-1"));
    let (taken, ()) = tokio::join!(take(&world, &keyed), fencing);
    let error = taken.unwrap_err();
    assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{error:?}");
    assert_eq!(ends(&world), [[Resolution::Rollback]]);
    assert_eq!(world.tables.orders(), []);
    // The key is not burnt, and the next attempt has nothing to do with the fence.
    assert!(!take(&world, &keyed).await.unwrap().replayed);
}

#[tokio::test(start_paused = true)]
async fn no_try_begins_after_the_deadline_by_the_wall_clock() {
    let world = world();
    world.tables.break_down(Operation::Place, Fault::Refused(FailureClass::Throttled));
    let thawing = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        world.clock.advance(Duration::from_secs(60));
        world.tables.heal(Operation::Place);
    };
    let command = command(1, None);
    let (taken, ()) = tokio::join!(take(&world, &command), thawing);
    assert!(matches!(taken, Err(CreateOrderError::Unavailable { .. })), "{taken:?}");
    assert_eq!((world.tables.orders().len(), ends(&world)), (0, vec![vec![Resolution::Rollback]]));
}

/// A publisher whose process is frozen for a minute when its half message has been stored.
struct Frozen(MemoryBroker, ManualClock);

impl TransactionalPublisher for Frozen {
    type Receipt = <MemoryBroker as TransactionalPublisher>::Receipt;

    async fn prepare(
        &self,
        half: &HalfMessage<'_>,
        deadline: Deadline,
    ) -> Result<Self::Receipt, PrepareError> {
        let receipt = self.0.prepare(half, deadline).await;
        self.1.advance(Duration::from_secs(60));
        receipt
    }

    async fn end(
        &self,
        receipt: &Self::Receipt,
        resolution: Resolution,
        deadline: Deadline,
    ) -> Result<(), EndError> {
        self.0.end(receipt, resolution, deadline).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_wakes_up_after_the_deadline_tries_nothing() {
    let world = world();
    let CreateOrder { orders, catalog, publisher, clock, identities, budgets, without_broker } =
        world.create_order();
    let publisher = Frozen(publisher, world.clock.clone());
    let create_order =
        CreateOrder { orders, catalog, publisher, clock, identities, budgets, without_broker };
    let request = Deadline::after(Duration::from_secs(10));
    let taken = create_order.execute(&command(1, None), request).await;
    assert!(matches!(taken, Err(CreateOrderError::Unavailable { .. })), "{taken:?}");
    assert_eq!((world.tables.orders().len(), ends(&world)), (0, vec![vec![Resolution::Rollback]]));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_replays_the_same_answer() {
    let world = world();
    let first = take(&world, &command(1, Some("key-1"))).await.unwrap();
    let second = take(&world, &command(1, Some("key-1"))).await.unwrap();
    assert_eq!(second, OrderTaken { replayed: true, ..first });
    assert_eq!(world.tables.orders().len(), 1);
    assert_eq!(ends(&world), [[Resolution::Commit], [Resolution::Rollback]]);
}

#[tokio::test(start_paused = true)]
async fn of_two_requests_with_one_key_at_once_one_takes_the_order() {
    let world = world();
    let command = command(1, Some("key-1"));
    let (one, other) = tokio::join!(take(&world, &command), take(&world, &command));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.order_id, other.order_id);
    assert_ne!(one.replayed, other.replayed);
    assert_eq!((world.tables.orders().len(), world.broker.visible().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_for_something_else_is_refused() {
    let world = world();
    take(&world, &command(1, Some("key-1"))).await.unwrap();
    let error = take(&world, &command(2, Some("key-1"))).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::KeyReused), "{error:?}");
    assert_eq!(ends(&world), [[Resolution::Commit], [Resolution::Rollback]]);
    world.broker.go_away();
    let error = take(&world, &command(2, Some("key-1"))).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::KeyReused), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_means_a_request_for_a_day_and_no_longer() {
    let world = world();
    let first = take(&world, &command(1, Some("key-1"))).await.unwrap();
    world.clock.advance(lifetimes::IDEMPOTENCY_KEY);
    let second = take(&world, &command(1, Some("key-1"))).await.unwrap();
    assert!(!second.replayed);
    assert_ne!(second.order_id, first.order_id);
}

#[tokio::test(start_paused = true)]
async fn a_keyed_request_is_replayed_when_the_broker_is_away() {
    let world = world();
    let first = take(&world, &command(1, Some("key-1"))).await.unwrap();
    world.broker.go_away();
    let again = take(&world, &command(1, Some("key-1"))).await.unwrap();
    assert_eq!((again.order_id, again.replayed), (first.order_id, true));
    let error = take(&world, &command(1, Some("key-2"))).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{error:?}");
    assert_eq!(world.tables.orders().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_keyed_request_is_replayed_when_its_product_is_sold_no_more() {
    let world = world();
    let first = take(&world, &command(1, Some("key-1"))).await.unwrap();
    world.tables.remove_product(product_id(1));
    let again = take(&world, &command(1, Some("key-1"))).await.unwrap();
    assert_eq!((again.order_id, again.replayed), (first.order_id, true));
    let error = take(&world, &command(1, None)).await.unwrap_err();
    let CreateOrderError::UnknownProducts(unknown) = error else { panic!("{error:?}") };
    assert_eq!(unknown, [product_id(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_can_not_be_read_makes_the_answer_one_that_is_tried_again() {
    let world = world();
    take(&world, &command(1, Some("key-1"))).await.unwrap();
    world.tables.remove_product(product_id(1));
    world.tables.break_down(Operation::Remembered, Fault::Refused(FailureClass::Unavailable));
    let error = take(&world, &command(1, Some("key-1"))).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn each_try_of_a_half_message_belongs_to_an_attempt_of_its_own() {
    let world = world();
    world.broker.script(BrokerFault::PrepareReplyLost, 3);
    let taken = take(&world, &command(1, None)).await.unwrap();
    let halves = world.broker.halves();
    let mut attempts: Vec<_> = halves.iter().map(|half| half.transaction_id).collect();
    attempts.dedup();
    assert_eq!(attempts.len(), 4);
    assert!(halves.iter().all(|half| half.message == halves[0].message));
    assert_eq!(ends(&world), [vec![], vec![], vec![], vec![Resolution::Commit]]);
    // The abandoned ones are retired without touching the one that committed.
    world.clock.advance(Duration::from_secs(60));
    let answers = world.broker.check_back(&world.answer_check()).await;
    assert_eq!(answers, [CheckAnswer::Rollback; 3]);
    assert!(world.tables.order(taken.order_id).is_some());
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_half_message_that_the_broker_does_not_vouch_for_is_never_committed() {
    let world = world();
    world.broker.script(BrokerFault::PrepareDoubtful, 1);
    take(&world, &command(1, None)).await.unwrap();
    assert_eq!(ends(&world), [vec![], vec![Resolution::Commit]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_without_a_half_message() {
    let world = world();
    world.broker.script(BrokerFault::PrepareFails, u32::MAX);
    let started = tokio::time::Instant::now();
    let error = take(&world, &command(1, None)).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{error:?}");
    assert!(started.elapsed() <= Duration::from_millis(2_500), "{:?}", started.elapsed());
    assert_eq!(world.tables.calls(Operation::Place), 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_taken_even_if_the_end_of_its_half_message_fails() {
    type Break = fn(&World);
    let faults: [(&str, Break); 3] = [
        ("lost", |world| world.broker.script(BrokerFault::EndLost, 1)),
        ("answer lost", |world| world.broker.script(BrokerFault::EndReplyLost, 1)),
        ("refused", |world| world.broker.script(BrokerFault::EndRefused, 1)),
    ];
    for (name, fault) in faults {
        let world = world();
        fault(&world);
        let taken = take(&world, &command(1, None)).await.unwrap();
        assert!(world.tables.order(taken.order_id).is_some(), "{name}");
        world.broker.check_back(&world.answer_check()).await;
        assert_eq!(ends(&world), [[Resolution::Commit]], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_time_for_its_end_is_not_begun_late() {
    let world = world();
    let started = tokio::time::Instant::now();
    world.tables.break_down(Operation::Place, Fault::Refused(FailureClass::Throttled));
    let limit = Duration::from_secs(2);
    let taken = world.create_order().execute(&command(1, None), Deadline::after(limit)).await;
    assert!(taken.is_err());
    assert!(started.elapsed() <= limit, "{:?}", started.elapsed());
}
