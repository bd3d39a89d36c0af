//! An event is handled once, by what its aggregate says, and ends with its last handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{
    BODY_BYTES_MAX, ConsumptionReport, EventHandler, HandlerError, IncomingEvent, Registry,
    Subscribed,
};
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::pending::{IndexChange, OrderChange, PendingEventStore};
use application::ports::{Clock, HalfMessage, Resolution, TransactionalPublisher};
use contracts::event::EventType;
use domain::identity::OrderId;
use domain::order::{OrderStatus, StoredOrder};
use domain::pending::PendingEvent;
use futures::FutureExt;
use futures::future::BoxFuture;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{product, product_id, stamp};
use testkit::tables::MemoryTables;
use testkit::world::World;

use crate::orders::create::{command, create, world};

const SHORT: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3 * 60 * 60);

async fn consume_with(world: &World, registry: Registry, window: Duration) -> ConsumptionReport {
    world.consume_pending(registry).run(Deadline::after(window)).await
}

async fn consume(world: &World, window: Duration) -> ConsumptionReport {
    consume_with(world, Registry::default(), window).await
}

async fn created(world: &World, quantity: u64) -> OrderId {
    create(world, &command(quantity, None)).await.unwrap().order.id()
}

fn stored(world: &World, id: OrderId) -> StoredOrder {
    world.tables.stored_order(id).unwrap()
}

fn notified(stored: &StoredOrder) -> Vec<&str> {
    stored.order.notifications().iter().map(|told| told.event_type.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_is_confirmed_and_its_customer_notified_of_both_events_once() {
    let world = world();
    let id = created(&world, 2).await;
    let report = consume(&world, SHORT).await;
    assert_eq!((report.handled, report.postponed), (2, 0));
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Confirmed);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderConfirmed"]);
    assert!(stored.pending.is_empty());
    assert_eq!(world.tables.index_entry(id), None, "nothing is pending, so the sweep sees nothing");
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
    assert_eq!((world.broker.visible().len(), world.broker.unacknowledged()), (2, 0));
    // One write for the decision with the end of OrderCreated, one for the end of OrderConfirmed.
    assert_eq!(world.tables.calls(Operation::Reserve), 1);
    assert_eq!(world.tables.calls(Operation::ChangeAggregate), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_rejected_where_there_is_not_enough_stock() {
    let world = world();
    let id = created(&world, 11).await;
    consume(&world, SHORT).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Rejected);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderRejected"]);
    assert!(stored.pending.is_empty());
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
}

#[tokio::test(start_paused = true)]
async fn copies_of_an_event_have_one_effect() {
    let world = world();
    let id = created(&world, 2).await;
    let half = world.broker.halves().remove(0);
    for _ in 0..9 {
        let again = HalfMessage {
            message: &half.message,
            transaction_id: half.transaction_id,
            deadline: half.deadline,
            is_recorded: true,
        };
        let receipt = world.broker.prepare(&again, Deadline::after(SHORT)).await.unwrap();
        world.broker.end(&receipt, Resolution::Commit, Deadline::after(SHORT)).await.unwrap();
    }
    let report = consume(&world, SHORT).await;
    assert_eq!(report.handled, 11, "ten copies and what follows");
    let stored = stored(&world, id);
    assert_eq!(stored.order.version(), 2);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderConfirmed"]);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
    assert_eq!(world.broker.visible().len(), 11, "what follows was published once");
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_was_lost_is_found_and_published_by_its_writer() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.script(Operation::Reserve, [Fault::ReplyLost]);
    consume(&world, SHORT).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.version(), 2);
    assert!(stored.pending.is_empty());
    assert_eq!(world.broker.visible().len(), 2);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_that_is_in_no_history() {
    let world = world();
    let id = created(&world, 2).await;
    // The decision is on its way when its customer cancels the order; then it comes too late.
    world.tables.script(Operation::Reserve, [Fault::LandsLate]);
    let tables = world.tables.clone();
    let cancel = async {
        while tables.calls(Operation::Reserve) == 0 {
            tokio::task::yield_now().await;
        }
        let mut cancelled = tables.stored_order(id).unwrap();
        let (at, event) = (world.clock.now(), stamp(&world.identities));
        cancelled.pending.put(
            event.event_id,
            PendingEvent::unsent(
                domain::identity::TransactionId::new(*event.event_id.as_uuid()),
                at,
            ),
        );
        cancelled.order = cancelled.order.cancel(at, event).unwrap().0;
        cancelled.revision += 1;
        tables.put_stored_order(cancelled);
    };
    let (_, ()) = tokio::join!(consume(&world, SHORT), cancel);
    assert_eq!(world.tables.land_late_writes(), 1);
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Cancelled);
    assert_eq!(notified(&stored), ["OrderCreated"]);
    assert_eq!(stored.pending.len(), 1, "the cancellation waits for the sweep");
    assert!(world.tables.index_entry(id).is_some());
    assert_eq!(world.broker.visible().len(), 1, "neither decision is published");
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_dies_before_its_acknowledgement_loses_and_repeats_nothing() {
    let world = world();
    let id = created(&world, 2).await;
    world.broker.script(BrokerFault::AcknowledgementLost, 1);
    let report = consume(&world, Duration::from_secs(120)).await;
    assert_eq!(report.handled, 3, "one of the two came again");
    assert_eq!(notified(&stored(&world, id)), ["OrderCreated", "OrderConfirmed"]);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_no_aggregate_is_foreign_and_no_handler_sees_it() {
    let world = world();
    created(&world, 2).await;
    let half = world.broker.halves().remove(0);
    let elsewhere = "USER#7/ORDER#01890a5d-ac96-774b-bcce-b302099a8057";
    for properties in [vec![], vec![("aggregate", elsewhere)], vec![("aggregate", "nothing")]] {
        world.broker.put(half.message.body.as_bytes(), &properties);
    }
    let report = consume(&world, SHORT).await;
    assert_eq!((report.foreign, report.handled), (3, 2));
    assert_eq!(world.broker.unacknowledged(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_forged_message_has_no_effect_beyond_what_the_aggregate_says() {
    let world = world();
    let id = created(&world, 2).await;
    let half = world.broker.halves().remove(0);
    let forged = half.message.body.replace("\"quantity\":2", "\"quantity\":9");
    let key = half.message.aggregate.unwrap().to_string();
    world.broker.put(forged.as_bytes(), &[("aggregate", &key)]);
    consume(&world, SHORT).await;
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Confirmed);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_a_dead_letter_at_once_and_ends_nobodys_event() {
    let world = world();
    world.broker.go_away();
    let id = created(&world, 2).await;
    world.broker.come_back();
    let event_id = stored(&world, id).created_event().to_string();
    let key = stored(&world, id).key().to_string();
    let properties = [("event_id", event_id.as_str()), ("aggregate", &key)];
    world.broker.put(b"not an event", &properties);
    world.broker.put(&vec![b'a'; BODY_BYTES_MAX + 1], &properties);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.unannounced), (2, 0));
    let letters = world.tables.dead_letters();
    assert!(letters.iter().all(|letter| letter.expires_at.is_some() && letter.aggregate.is_none()));
    assert_eq!(stored(&world, id).pending.len(), 1, "the sweep sends a good copy");
}

#[tokio::test(start_paused = true)]
async fn a_broken_copy_leaves_the_letter_of_an_event_of_ours() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.break_down(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume(&world, LONG).await;
    let letter = world.tables.dead_letters().remove(0);
    let event_id = stored(&world, id).created_event().to_string();
    world.broker.put(b"a broken copy", &[("event_id", &event_id)]);
    consume(&world, SHORT).await;
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 2);
    assert!(letters.contains(&letter));
}

#[tokio::test(start_paused = true)]
async fn a_burial_whose_answer_was_lost_is_counted() {
    let world = world();
    created(&world, 2).await;
    world.tables.break_down(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    world.tables.script(Operation::BuryAndEnd, [Fault::ReplyLost]);
    let report = consume(&world, LONG).await;
    assert_eq!((report.dead_lettered, report.unannounced), (1, 1), "{report:?}");
    assert_eq!(world.tables.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_is_missing_does_not_keep_the_message_alive() {
    let world = world();
    world.broker.script(BrokerFault::AnnouncementFails, 1_000);
    world.broker.put(b"not an event", &[]);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.unannounced), (1, 1));
    assert_eq!((world.broker.announced().len(), world.broker.unacknowledged()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_newer_code_raised_is_tried_again_and_never_buried() {
    let world = world();
    created(&world, 2).await;
    let body = world.broker.halves().remove(0).message.body;
    let newer = [
        body.replace("\"schemaversion\":1", "\"schemaversion\":2"),
        body.replace("OrderCreated", "OrderPainted"),
    ];
    for body in newer {
        world.broker.put(body.as_bytes(), &[]);
    }
    let report = consume(&world, LONG).await;
    assert_eq!(report.dead_lettered, 0);
    assert!(report.newer > 32, "{report:?}");
    assert_eq!(world.broker.unacknowledged(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_in_the_event_by_whatever_copy_they_came() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.break_down(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume(&world, Duration::from_secs(10)).await;
    let counted = stored(&world, id);
    let entry = counted.pending.get(counted.created_event()).unwrap();
    assert!(entry.failures >= 2, "{entry:?}");
    assert!(entry.due > world.clock.now(), "the sweep leaves it alone until then");
    assert_eq!(world.tables.index_entry(id).unwrap().1, entry.due);
    world.tables.heal(Operation::Reserve);
    consume(&world, SHORT).await;
    assert!(stored(&world, id).pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_fails_sixteen_times_is_a_dead_letter_with_the_end_of_its_event() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.break_down(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let report = consume(&world, LONG).await;
    assert_eq!(report.dead_lettered, 1);
    let letters = world.tables.dead_letters();
    let letter = &letters[0];
    assert_eq!((letter.attempts, letter.handler.as_deref()), (16, Some("inventory")));
    assert_eq!(letter.expires_at, None, "it leaves by redrive or discard");
    assert_eq!(letter.aggregate, Some(stored(&world, id).key()));
    assert!(stored(&world, id).pending.is_empty());
    assert_eq!(world.tables.index_entry(id), None);
    assert_eq!((world.broker.announced().len(), world.broker.unacknowledged()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_busy_or_absent_table_postpones_and_loses_nothing() {
    for operation in [Operation::FindAggregate, Operation::Reserve, Operation::ChangeAggregate] {
        for fault in [Fault::RequestLost, Fault::Refused(FailureClass::Throttled), Fault::Busy] {
            let world = world();
            let id = created(&world, 2).await;
            world.tables.break_down(operation, fault);
            let report = consume(&world, Duration::from_secs(20)).await;
            assert!(report.postponed > 0, "{operation:?} {fault:?}");
            world.tables.heal(operation);
            consume(&world, LONG).await;
            let stored = stored(&world, id);
            assert!(stored.pending.is_empty(), "{operation:?} {fault:?}");
            assert_eq!(world.tables.stock_of(product_id(1)), Some(8), "{operation:?} {fault:?}");
        }
    }
}

/// Counts orders somewhere else: its effect and its mark are one write.
struct Counter {
    tables: MemoryTables,
    calls: AtomicU32,
    counted: Arc<AtomicU32>,
    fails: u32,
}

impl Counter {
    async fn count(&self, incoming: &IncomingEvent<'_>) -> Result<(), HandlerError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.fails {
            return Err(Failure::new(FailureClass::Unavailable, "elsewhere is away").into());
        }
        let StoredAggregate::Order(before) = incoming.stored;
        let mut pending = before.pending.clone();
        let mut entry = pending.remove(incoming.event_id).unwrap();
        entry.done_by.insert(self.name().to_owned());
        pending.put(incoming.event_id, entry);
        let index = IndexChange::Keep;
        let marked = OrderChange { before, reached: None, notified: None, pending, index };
        match self.tables.change(&marked, incoming.deadline).await {
            WriteTry::Done => {
                self.counted.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            other => Err(HandlerError::Hopeless(format!("{other:?}"))),
        }
    }
}

impl EventHandler for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        self.count(incoming).boxed()
    }
}

fn counting(world: &World, counted: &Arc<AtomicU32>, fails: u32) -> Registry {
    let counter = Counter {
        tables: world.tables.clone(),
        calls: AtomicU32::new(0),
        counted: Arc::clone(counted),
        fails,
    };
    Registry::default().with(Subscribed::To(&[EventType::OrderCreated]), counter)
}

#[tokio::test(start_paused = true)]
async fn a_handler_with_an_effect_elsewhere_does_its_part_once() {
    let world = world();
    let id = created(&world, 2).await;
    let counted = Arc::new(AtomicU32::new(0));
    // It is done, and then the aggregate's own part fails a few times.
    let failing = Fault::Refused(FailureClass::Permanent);
    world.tables.script(Operation::Reserve, [failing, failing, failing]);
    let report =
        consume_with(&world, counting(&world, &counted, 2), Duration::from_secs(300)).await;
    assert_eq!(counted.load(Ordering::SeqCst), 1);
    assert_eq!(report.postponed, 5, "{report:?}");
    let stored = stored(&world, id);
    assert!(stored.pending.is_empty());
    assert_eq!(stored.order.status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_every_handler() {
    let world = world();
    let id = created(&world, 2).await;
    let counted = Arc::new(AtomicU32::new(0));
    consume_with(&world, counting(&world, &counted, u32::MAX), Duration::from_secs(30)).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Created);
    assert!(stored.pending.holds(stored.created_event()));
    assert_eq!(world.broker.unacknowledged(), 1);
}

/// Panics.
struct Panicking;

impl EventHandler for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn handle<'a>(
        &'a self,
        _incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async { panic!("it breaks each time") }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_each_time_ends_in_the_dead_letters() {
    let world = world();
    created(&world, 2).await;
    let registry = || Registry::default().with(Subscribed::ToAll, Panicking);
    let report = consume_with(&world, registry(), LONG).await;
    assert_eq!(report.dead_lettered, 1);
    assert_eq!(world.tables.dead_letters()[0].handler.as_deref(), Some("panicking"));
}

#[tokio::test(start_paused = true)]
async fn orders_of_one_product_at_once_never_take_more_than_there_is() {
    let world = world();
    world.tables.put_product(product(1, 25));
    for _ in 0..20 {
        created(&world, 2).await;
    }
    consume(&world, LONG).await;
    let orders = world.tables.stored_orders();
    let of = |status| orders.iter().filter(|stored| stored.order.status() == status).count();
    assert_eq!((of(OrderStatus::Confirmed), of(OrderStatus::Rejected)), (12, 8));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(1));
    assert!(orders.iter().all(|stored| stored.pending.is_empty()));
}
