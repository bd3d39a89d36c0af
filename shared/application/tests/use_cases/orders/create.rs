//! An order exists if and only if its `OrderCreated` is published, whatever goes wrong.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::lifetimes;
use application::orders::create::{
    Budgets, CircuitBreaker, CreateOrder, CreateOrderCommand, CreateOrderError, OrderReply,
    WithoutBroker,
};
use application::orders::identity::{created_event_of, order_of_key};
use application::outcome::{FailureClass, WriteTry};
use application::ports::{
    CheckAnswer, Clock, EndError, Fences, HalfMessage, OrderCreation, PrepareError, Resolution,
    TransactionalPublisher,
};
use domain::aggregate::AggregateKey;
use domain::event::EventStamp;
use domain::order::{NewOrder, Order, OrderStatus, StoredOrder};
use domain::pending::{PendingEvent, Publication};
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{Fault, Operation};
use testkit::samples::{key, lines, product, product_id, stamp, user};
use testkit::world::World;

pub(crate) fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 10));
    world.tables.put_product(product(2, 10));
    world
}

pub(crate) fn command(quantity: u64, idempotency_key: Option<&str>) -> CreateOrderCommand {
    CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, quantity)]),
        key: idempotency_key.map(key),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

pub(crate) async fn create(
    world: &World,
    command: &CreateOrderCommand,
) -> Result<OrderReply, CreateOrderError> {
    world.create_orders().execute(command, Deadline::after(Duration::from_secs(10))).await
}

/// The ends of all half messages, in the order in which these were stored.
pub(super) fn ends(world: &World) -> Vec<Vec<Resolution>> {
    world.broker.halves().into_iter().map(|half| half.ends).collect()
}

pub(super) fn stored(world: &World, reply: &OrderReply) -> StoredOrder {
    world.tables.stored_order(reply.order.id()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_created_order_is_one_item_and_its_half_message_is_committed() {
    let world = world();
    let reply = create(&world, &command(2, None)).await.unwrap();
    assert!(!reply.replayed);
    let stored = stored(&world, &reply);
    assert_eq!(stored.order, reply.order);
    assert_eq!(
        (stored.order.status(), stored.order.total().minor()),
        (OrderStatus::Created, 2_500)
    );
    assert_eq!(ends(&world), [[Resolution::Commit]]);
    let half = &world.broker.halves()[0];
    assert_eq!(half.transaction_id, stored.attempt);
    assert_eq!(stored.pending.len(), 1);
    let entry = stored.pending.get(half.message.event_id).unwrap();
    assert_eq!((entry.publication, entry.transaction_id), (Publication::Sent, stored.attempt));
    let (_, due) = world.tables.index_entry(stored.order.id()).unwrap();
    assert_eq!(due, entry.since.plus(lifetimes::SWEEP_AFTER));
    assert_eq!(world.tables.calls(Operation::CreateOrder), 1, "one write and no read");
    assert_eq!(world.tables.calls(Operation::AtKey), 0);
}

#[tokio::test(start_paused = true)]
async fn the_event_is_rebuilt_from_the_order_byte_for_byte() {
    let world = world();
    let reply = create(&world, &command(2, None)).await.unwrap();
    let sent = world.broker.halves().remove(0).message;
    let stored = StoredAggregate::Order(stored(&world, &reply));
    assert_eq!(stored.message(sent.event_id).unwrap(), sent);
}

#[tokio::test(start_paused = true)]
async fn requests_of_one_user_with_one_key_create_one_order() {
    let world = world();
    let first = create(&world, &command(2, Some("key-1"))).await.unwrap();
    let again = create(&world, &command(2, Some("key-1"))).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.order, again.order);
    assert_eq!(first.order.id(), order_of_key(user(123), &key("key-1")));
    assert_eq!(ends(&world), [[Resolution::Commit], [Resolution::Rollback]]);
    assert_eq!(world.tables.stored_orders().len(), 1);
    let other = create(&world, &command(3, Some("key-1"))).await.unwrap_err();
    assert!(matches!(other, CreateOrderError::KeyReused), "{other:?}");
    assert_eq!(world.tables.stored_orders().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_the_order_as_it_was_created() {
    let world = world();
    let first = create(&world, &command(2, Some("key-1"))).await.unwrap();
    let mut changed = stored(&world, &first);
    let (at, event) = (world.clock.now(), stamp(&world.identities));
    changed.order = changed.order.cancel(at, event).unwrap().0;
    world.tables.put_stored_order(changed);
    let again = create(&world, &command(2, Some("key-1"))).await.unwrap();
    assert_eq!((again.replayed, again.order), (true, first.order));
}

#[tokio::test(start_paused = true)]
async fn two_requests_at_once_under_one_key_create_one_order() {
    let world = world();
    let commands: Vec<_> = (0..10).map(|_| command(1, Some("key-1"))).collect();
    let all = commands.iter().map(|command| create(&world, command));
    let replies = futures::future::join_all(all).await;
    let created = replies.iter().filter(|reply| reply.as_ref().is_ok_and(|r| !r.replayed));
    assert_eq!(created.count(), 1);
    assert!(replies.iter().all(Result::is_ok));
    let commits = ends(&world).iter().filter(|ends| **ends == [Resolution::Commit]).count();
    assert_eq!((commits, world.broker.visible().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn while_the_outcome_is_unknown_neither_a_commit_nor_a_rollback_is_sent() {
    let world = world();
    world.tables.fail_every_call(Operation::CreateOrder, Fault::RequestLost);
    let error = create(&world, &command(1, None)).await.unwrap_err();
    let CreateOrderError::Open { order_id, .. } = error else { panic!("{error:?}") };
    assert_eq!(ends(&world), [[]]);
    assert_eq!(world.broker.halves()[0].message.subject, order_id.to_string());
    assert_eq!(world.tables.calls(Operation::CreateOrder), 3, "it was tried until its deadline");
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
        world.tables.script(Operation::CreateOrder, [Fault::LandsLate]);
        world.tables.fail_every_call(Operation::CreateOrder, later);
        let error = create(&world, &command(1, None)).await.unwrap_err();
        let CreateOrderError::Open { order_id, .. } = error else { panic!("{later:?}: {error:?}") };
        assert_eq!(ends(&world), [[]], "{later:?}");
        assert_eq!(world.tables.apply_late_writes(), 1);
        assert!(world.tables.stored_order(order_id).is_some(), "{later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_landed_while_its_answer_was_lost_is_found_and_committed() {
    for key in [None, Some("key-1")] {
        let world = world();
        world.tables.script(Operation::CreateOrder, [Fault::ReplyLost]);
        let reply = create(&world, &command(1, key)).await.unwrap();
        assert!(!reply.replayed, "it is this request's own");
        assert_eq!(stored(&world, &reply).order, reply.order);
        assert_eq!(ends(&world), [[Resolution::Commit]]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_never_began_is_rolled_back() {
    for (fault, tries) in [
        (Fault::Refused(FailureClass::Throttled), 2..=1_000),
        (Fault::Refused(FailureClass::Unavailable), 2..=1_000),
        (Fault::Busy, 2..=1_000),
        (Fault::Refused(FailureClass::Permanent), 1..=1),
    ] {
        let world = world();
        world.tables.fail_every_call(Operation::CreateOrder, fault);
        let error = create(&world, &command(1, None)).await.unwrap_err();
        assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{fault:?}: {error:?}");
        assert_eq!(ends(&world), [[Resolution::Rollback]], "{fault:?}");
        assert!(tries.contains(&world.tables.calls(Operation::CreateOrder)), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_table_is_tried_again() {
    let world = world();
    let busy = [Fault::Busy, Fault::Refused(FailureClass::Throttled), Fault::Busy];
    world.tables.script(Operation::CreateOrder, busy);
    assert!(create(&world, &command(1, None)).await.is_ok());
    assert_eq!(ends(&world), [[Resolution::Commit]]);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_commits_when_it_lands_before_its_check() {
    let world = world();
    world.tables.fail_every_call(Operation::CreateOrder, Fault::LandsLate);
    assert!(matches!(create(&world, &command(1, None)).await, Err(CreateOrderError::Open { .. })));
    assert_eq!(world.tables.apply_late_writes(), 3);
    assert_eq!(world.broker.check_back(&world.answer_checks()).await, [CheckAnswer::Commit]);
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_finds_the_fence_when_it_lands_after_its_check() {
    let world = world();
    world.tables.fail_every_call(Operation::CreateOrder, Fault::LandsLate);
    let error = create(&world, &command(1, None)).await.unwrap_err();
    let CreateOrderError::Open { order_id, .. } = error else { panic!("{error:?}") };
    world.clock.advance(lifetimes::CLOCK_MARGIN);
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Rollback]);
    assert_eq!(world.tables.apply_late_writes(), 3);
    assert_eq!(world.tables.stored_orders().len(), 0);
    let (tombstone, until) = world.tables.tombstone(user(123), order_id).unwrap();
    assert!(tombstone.holds(world.broker.halves()[0].transaction_id));
    assert!(until > world.clock.now());
}

#[tokio::test(start_paused = true)]
async fn a_fenced_attempt_is_an_error_and_the_next_one_succeeds() {
    let world = world();
    world.tables.fail_every_call(Operation::CreateOrder, Fault::LandsLate);
    create(&world, &command(1, Some("key-1"))).await.unwrap_err();
    world.clock.advance(lifetimes::CLOCK_MARGIN);
    world.broker.check_back(&world.answer_checks()).await;
    world.tables.heal(Operation::CreateOrder);
    let reply = create(&world, &command(1, Some("key-1"))).await.unwrap();
    assert!(!reply.replayed, "the first attempt has created nothing");
    world.tables.apply_late_writes();
    assert_eq!(stored(&world, &reply).attempt, world.broker.halves()[1].transaction_id);
    assert_eq!(ends(&world), [[Resolution::Rollback], [Resolution::Commit]]);
}

#[tokio::test(start_paused = true)]
async fn the_fence_of_one_attempt_leaves_that_of_another() {
    let world = world();
    let order_id = order_of_key(user(123), &key("key-1"));
    let until = world.clock.now().plus(lifetimes::TOMBSTONE);
    let [first, second] =
        [(); 2].map(|()| application::ports::IdentitySource::transaction_id(&world.identities));
    for attempt in [first, second] {
        let fenced = world.tables.fence(user(123), order_id, attempt, until).await;
        assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
    }
    let price = |_| domain::money::Money::from_minor(100);
    let now = world.clock.now();
    let event = EventStamp::untraced(created_event_of(order_id), 1);
    let (order, _) =
        Order::create(order_id, user(123), &lines(&[(1, 1)]), price, now, event).unwrap();
    for attempt in [first, second] {
        let new = NewOrder::new(order.clone(), attempt, PendingEvent::unsent(attempt, now));
        let put = world.tables.create(&new, Deadline::after(Duration::from_secs(1))).await;
        assert!(matches!(put, WriteTry::Cancelled(_)), "{put:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_would_be_refused_is_answered_with_the_order_that_its_key_created_before() {
    let world = world();
    let first = create(&world, &command(2, Some("key-1"))).await.unwrap();
    world.tables.remove_product(product_id(1));
    let again = create(&world, &command(2, Some("key-1"))).await.unwrap();
    assert_eq!((again.replayed, again.order), (true, first.order));
    let other = create(&world, &command(3, Some("key-1"))).await.unwrap_err();
    assert!(matches!(other, CreateOrderError::KeyReused), "{other:?}");
    let new = create(&world, &command(2, Some("key-2"))).await.unwrap_err();
    assert!(matches!(new, CreateOrderError::UnknownProducts(_)), "{new:?}");
    world.tables.fail_every_call(Operation::AtKey, Fault::RequestLost);
    let unread = create(&world, &command(2, Some("key-1"))).await.unwrap_err();
    assert!(matches!(unread, CreateOrderError::Unavailable { .. }), "{unread:?}");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_writes_nothing_after_its_deadline() {
    let world = world();
    world.tables.script(Operation::CreateOrder, [Fault::Busy]);
    let clock = world.clock.clone();
    let command = command(1, None);
    let creating = create(&world, &command);
    // The process is frozen between its first and its second try: its monotonic clock stands still.
    let freezing = async {
        while world.tables.calls(Operation::CreateOrder) == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(60));
    };
    let (error, ()) = tokio::join!(creating, freezing);
    assert!(matches!(error, Err(CreateOrderError::Unavailable { .. })), "{error:?}");
    assert_eq!(world.tables.calls(Operation::CreateOrder), 1);
    assert_eq!(ends(&world), [[Resolution::Rollback]]);
    assert_eq!(world.tables.stored_orders(), []);
}

/// A publisher whose process is frozen for a minute when its half message is stored.
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
async fn a_process_that_was_frozen_before_its_write_writes_nothing() {
    let world = world();
    let CreateOrder { orders, catalog, publisher, clock, identities, budgets, without_broker } =
        world.create_orders();
    let publisher = Frozen(publisher, world.clock.clone());
    let create =
        CreateOrder { orders, catalog, publisher, clock, identities, budgets, without_broker };
    let within = Deadline::after(Duration::from_secs(10));
    let created = create.execute(&command(1, None), within).await;
    assert!(matches!(created, Err(CreateOrderError::Unavailable { .. })), "{created:?}");
    assert_eq!(world.tables.calls(Operation::CreateOrder), 0);
    assert_eq!(ends(&world), [[Resolution::Rollback]]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_fenced_while_it_is_under_way_is_refused_and_rolled_back() {
    let world = world();
    // Its first try is lost, and its second one finds the fence.
    world.tables.script(Operation::CreateOrder, [Fault::RequestLost]);
    let fencing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let half = world.broker.halves().remove(0);
        let Some(AggregateKey::Order { user_id, order_id }) = half.message.aggregate else {
            panic!("{half:?}")
        };
        let until = world.clock.now().plus(lifetimes::TOMBSTONE);
        let fence = world.tables.fence(user_id, order_id, half.transaction_id, until).await;
        assert!(matches!(fence, WriteTry::Done), "{fence:?}");
    };
    let keyed = command(1, Some("key-1"));
    let (created, ()) = tokio::join!(create(&world, &keyed), fencing);
    assert!(matches!(created, Err(CreateOrderError::Unavailable { .. })), "{created:?}");
    assert_eq!(ends(&world), [[Resolution::Rollback]]);
    assert_eq!(world.tables.stored_orders(), []);
    // The key can still be used: the next attempt is not the fenced one.
    assert!(!create(&world, &keyed).await.unwrap().replayed);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_for_something_else_is_refused_with_and_without_the_broker() {
    let world = world();
    create(&world, &command(1, Some("key-1"))).await.unwrap();
    let other = command(2, Some("key-1"));
    let error = create(&world, &other).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::KeyReused), "{error:?}");
    assert_eq!(ends(&world), [[Resolution::Commit], [Resolution::Rollback]]);
    world.broker.become_unreachable();
    for without_broker in [WithoutBroker::Refuse, WithoutBroker::Accept(CircuitBreaker::default())]
    {
        let create = CreateOrder { without_broker, ..world.create_orders() };
        let within = Deadline::after(Duration::from_secs(10));
        let error = create.execute(&other, within).await.unwrap_err();
        assert!(matches!(error, CreateOrderError::KeyReused), "{error:?}");
    }
    assert_eq!(world.tables.stored_orders().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_known_while_its_order_exists() {
    let world = world();
    let first = create(&world, &command(1, Some("key-1"))).await.unwrap();
    world.clock.advance(Duration::from_secs(10 * 365 * 24 * 60 * 60));
    let again = create(&world, &command(1, Some("key-1"))).await.unwrap();
    assert_eq!((again.replayed, again.order), (true, first.order));
}

#[tokio::test(start_paused = true)]
async fn a_write_leaves_time_for_the_end_of_its_half_message() {
    for fault in [Fault::Refused(FailureClass::Throttled), Fault::RequestLost] {
        let world = world();
        world.tables.fail_every_call(Operation::CreateOrder, fault);
        let limit = Duration::from_secs(2);
        let started = tokio::time::Instant::now();
        let create = world.create_orders();
        let created = create.execute(&command(1, None), Deadline::after(limit)).await;
        assert!(created.is_err(), "{fault:?}");
        let took = started.elapsed();
        // What is left is for the end of the half message, which takes no time here.
        assert!(took <= limit - Budgets::default().end, "{fault:?}: {took:?}");
    }
}
