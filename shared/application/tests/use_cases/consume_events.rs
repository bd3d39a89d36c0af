//! Every handler's effect happens once, and nothing blocks the next event.

use std::time::Duration;

use application::consume_events::{
    ConsumptionReport, EventHandler, HandlerError, IncomingEvent, Registry, Subscribed,
};
use application::create_order::CreateOrderCommand;
use application::deadline::Deadline;
use application::outcome::FailureClass;
use application::ports::Clock;
use contracts::event::{Event, EventData};
use contracts::message;
use domain::identity::{EventId, OrderId};
use domain::order::{Order, OrderStatus};
use futures::FutureExt;
use futures::future::BoxFuture;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{lines, product, product_id, stamp, taken, user};
use testkit::world::World;

/// A window that leaves an event a second try after the 30 s of its invisibility.
const LONG: Duration = Duration::from_secs(120);

/// A window that doesn't.
const SHORT: Duration = Duration::from_secs(15);

fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 10));
    world
}

async fn take(world: &World, quantity: u64) -> OrderId {
    let command = CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, quantity)]),
        key: None,
        traceparent: None,
    };
    let within = Deadline::after(Duration::from_secs(10));
    world.create_order().execute(&command, within).await.unwrap().order_id
}

async fn consume(world: &World, window: Duration) -> ConsumptionReport {
    consume_by(world, window, world.registry()).await
}

async fn consume_by(world: &World, window: Duration, registry: Registry) -> ConsumptionReport {
    let started = tokio::time::Instant::now();
    let report = world.consume_events(registry).run(Deadline::after(window)).await;
    assert!(started.elapsed() <= window, "the window took {:?}", started.elapsed());
    report
}

/// The types of events that the customer was told of, sorted: events come in any order.
fn told(order: &Order) -> Vec<&str> {
    let mut told: Vec<_> =
        order.notifications().iter().map(|told| told.event_type.as_str()).collect();
    told.sort_unstable();
    told
}

/// The types of all visible messages, each copy counted.
fn published(world: &World) -> Vec<&'static str> {
    let events = world.broker.visible().into_iter();
    let events = events.filter_map(|body| Event::decode(body.as_bytes()).ok());
    events.map(|event| event.data.event_type().as_str()).collect()
}

fn assert_confirmed_once(world: &World, id: OrderId) {
    let order = world.tables.order(id).unwrap();
    assert_eq!(order.status(), OrderStatus::Confirmed);
    // Events of one order may be handled in any order; each is told once.
    let mut told = told(&order);
    told.sort_unstable();
    assert_eq!(told, ["OrderConfirmed", "OrderCreated"]);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
    assert!(world.tables.events().iter().all(|stored| !stored.unobserved));
    assert_eq!(world.broker.unacknowledged(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_created_order_is_confirmed_and_everyone_is_told() {
    let world = world();
    let id = take(&world, 2).await;
    let report = consume(&world, SHORT).await;
    assert_eq!(report, ConsumptionReport { handled: 2, ..ConsumptionReport::default() });
    assert_confirmed_once(&world, id);
    assert_eq!(published(&world), ["OrderCreated", "OrderConfirmed"]);
    let created = EventId::new(Event::decode(world.broker.visible()[0].as_bytes()).unwrap().id);
    assert_eq!(world.tables.handled_by(created), ["inventory", "notification", "observer"]);
}

#[tokio::test(start_paused = true)]
async fn each_effect_happens_once_when_acknowledgements_are_lost() {
    let world = world();
    let id = take(&world, 2).await;
    world.broker.script(BrokerFault::AcknowledgementLost, 2);
    consume(&world, LONG).await;
    assert_eq!(world.broker.deliveries(), [2, 2]);
    assert_confirmed_once(&world, id);
    assert_eq!(published(&world), ["OrderCreated", "OrderConfirmed"]);
}

#[tokio::test(start_paused = true)]
async fn each_effect_happens_once_for_all_copies_of_an_event() {
    let world = world();
    let id = take(&world, 2).await;
    let copy = world.broker.visible()[0].clone();
    for _ in 0..5 {
        world.broker.put(copy.as_bytes(), &[]);
    }
    consume(&world, LONG).await;
    assert_confirmed_once(&world, id);
    let confirmed = published(&world).into_iter().filter(|told| *told == "OrderConfirmed");
    assert_eq!(confirmed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_without_enough_stock_is_rejected_and_its_event_published() {
    let world = world();
    let id = take(&world, 11).await;
    consume(&world, SHORT).await;
    let order = world.tables.order(id).unwrap();
    assert_eq!(order.status(), OrderStatus::Rejected);
    assert_eq!(told(&order), ["OrderCreated", "OrderRejected"]);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
    assert_eq!(published(&world), ["OrderCreated", "OrderRejected"]);
    assert!(world.tables.events().iter().all(|stored| !stored.event.unpublished));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_decoded_is_dead_lettered_at_once_and_its_neighbours_are_unharmed() {
    let world = world();
    let event_id = "01890a5d-ac96-774b-bcce-b302099a8057";
    world.broker.put(b"not json", &[(message::EVENT_ID, event_id)]);
    world.broker.put(&[0xff, 0xfe], &[]);
    let id = take(&world, 2).await;
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.handled, report.postponed), (2, 2, 0));
    assert_confirmed_once(&world, id);
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.attempts == 1 && letter.handler.is_none()));
    let known = letters.iter().find(|letter| letter.event_id.is_some()).unwrap();
    assert_eq!(known.event_id.unwrap().to_string(), event_id);
    assert_eq!(known.body, b"not json");
    assert!(known.reason.starts_with("not a CloudEvent"), "{}", known.reason);
    assert_eq!(world.broker.announced().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn busy_items_are_tried_again_without_another_delivery() {
    for operation in [Operation::Observe, Operation::Decide, Operation::Notify] {
        let world = world();
        let id = take(&world, 2).await;
        let throttled = Fault::Refused(FailureClass::Throttled);
        world.tables.script(operation, [Fault::Busy, throttled, Fault::Busy]);
        consume(&world, SHORT).await;
        assert_eq!(world.broker.deliveries(), [1, 1], "{operation:?}");
        assert_confirmed_once(&world, id);
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_answer_was_lost_happens_once() {
    for (operation, fault) in [
        (Operation::Observe, Fault::ReplyLost),
        (Operation::Observe, Fault::RequestLost),
        (Operation::Decide, Fault::RequestLost),
        (Operation::Notify, Fault::ReplyLost),
        (Operation::Notify, Fault::RequestLost),
    ] {
        let world = world();
        let id = take(&world, 2).await;
        world.tables.script(operation, [fault]);
        consume(&world, SHORT).await;
        assert_confirmed_once(&world, id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_was_lost_is_made_once_and_told_at_once() {
    let world = world();
    let id = take(&world, 2).await;
    world.tables.script(Operation::Decide, [Fault::ReplyLost]);
    consume(&world, SHORT).await;
    assert_confirmed_once(&world, id);
    let confirmed = published(&world).into_iter().filter(|told| *told == "OrderConfirmed");
    assert_eq!(confirmed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_event_that_can_not_be_sent_stays_marked_for_the_sweep() {
    let world = world();
    let id = take(&world, 2).await;
    world.broker.script(BrokerFault::PrepareFails, 1);
    let report = consume(&world, SHORT).await;
    assert_eq!(report.handled, 1);
    assert_eq!(world.tables.order(id).unwrap().status(), OrderStatus::Confirmed);
    let events = world.tables.events();
    let left = events.iter().find(|stored| stored.unobserved).unwrap();
    assert!(left.event.unpublished && left.event.sweep_due > world.clock.now());
}

/// Takes an order whose event says that it costs something else than its lines.
async fn put_impossible(world: &World) {
    let order = taken(&world.identities, user(123), &[(1, 2)], world.clock.now());
    world.tables.put_order(order.order.clone());
    world.tables.put_event(&order.event);
    let mut event = Event::decode(order.event.message.body.as_bytes()).unwrap();
    let EventData::OrderCreated(created) = &mut event.data else { panic!("{event:?}") };
    created.total += 1;
    world.broker.put(&event.encode().unwrap(), &[]);
}

#[tokio::test(start_paused = true)]
async fn what_will_never_be_handled_is_dead_lettered_at_once() {
    let world = world();
    put_impossible(&world).await;
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.postponed), (1, 0));
    let letters = world.tables.dead_letters();
    assert_eq!((letters[0].handler.as_deref(), letters[0].attempts), (Some("inventory"), 1));
    assert!(letters[0].reason.contains("total"), "{}", letters[0].reason);
    assert_eq!(world.broker.announced(), letters);
    assert_eq!(world.broker.unacknowledged(), 0);
    assert!(world.tables.events().iter().all(|stored| !stored.unobserved));
}

#[tokio::test(start_paused = true)]
async fn what_fails_too_often_is_dead_lettered() {
    let world = world();
    let id = take(&world, 2).await;
    world.tables.break_down(Operation::Notify, Fault::Refused(FailureClass::Permanent));
    let mut consumer = world.consume_events(world.registry());
    consumer.pace.attempts_max = 3;
    let report = consumer.run(Deadline::after(LONG)).await;
    assert_eq!((report.handled, report.dead_lettered, report.postponed), (0, 2, 4));
    assert_eq!(world.broker.deliveries(), [3, 3]);
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        assert_eq!((letter.handler.as_deref(), letter.attempts), (Some("notification"), 3));
        // Pauses of 1 s and 2 s.
        let first = letter.first_failed_at.plus(Duration::from_secs(3));
        assert!(world.clock.now() >= first);
    }
    assert_eq!(world.broker.unacknowledged(), 0);
    assert_eq!(world.tables.order(id).unwrap().status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_attempts_grow() {
    let world = world();
    take(&world, 2).await;
    world.tables.break_down(Operation::Observe, Fault::Refused(FailureClass::Permanent));
    let report = consume(&world, LONG).await;
    // After pauses of 1, 2, 4, 8, 16 and 32 s: 63 s; the next would begin after the window.
    assert_eq!((report.postponed, report.dead_lettered), (7, 0));
    assert_eq!(world.tables.dead_letters(), []);
    assert_eq!(world.broker.unacknowledged(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_acknowledged_before_its_letter_is_stored_and_announced() {
    for fault in [Operation::Bury, Operation::Find] {
        let world = world();
        world.broker.put(b"not json", &[]);
        if fault == Operation::Bury {
            world.tables.break_down(fault, Fault::Refused(FailureClass::Unavailable));
        } else {
            world.broker.script(BrokerFault::AnnouncementFails, u32::MAX);
        }
        let report = consume(&world, SHORT).await;
        assert_eq!((report.dead_lettered, world.broker.unacknowledged()), (0, 1));
        assert!(report.postponed > 0);
        world.tables.heal(fault);
        world.broker.script(BrokerFault::AnnouncementFails, 0);
        let report = consume(&world, LONG).await;
        assert_eq!((report.dead_lettered, world.broker.unacknowledged()), (1, 0));
        assert_eq!(world.tables.dead_letters().len(), 1);
        assert_eq!(world.broker.announced().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn for_an_order_that_was_cancelled_the_inbox_record_is_stored_alone() {
    let world = world();
    let id = take(&world, 2).await;
    let order = world.tables.order(id).unwrap();
    let (cancelled, _) = order.cancel(world.clock.now(), stamp(&world.identities)).unwrap();
    world.tables.put_order(cancelled);
    consume(&world, SHORT).await;
    assert_eq!(world.tables.order(id).unwrap().status(), OrderStatus::Cancelled);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
    let events = world.tables.events();
    assert_eq!(events.len(), 1, "nothing follows");
    let handlers = world.tables.handled_by(events[0].event.message.event_id);
    assert_eq!(handlers, ["inventory", "notification", "observer"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_tables_do_not_know_is_handled_and_changes_nothing() {
    let world = world();
    let foreign = taken(&world.identities, user(9), &[(1, 2)], world.clock.now());
    world.broker.put(foreign.event.message.body.as_bytes(), &[]);
    let report = consume(&world, SHORT).await;
    assert_eq!(report, ConsumptionReport { handled: 1, ..ConsumptionReport::default() });
    assert_eq!((world.tables.orders().len(), world.tables.events().len()), (0, 0));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
    let handlers = world.tables.handled_by(foreign.event.message.event_id);
    assert_eq!(handlers, ["inventory", "notification", "observer"]);
}

/// Panics over one event.
struct Panics(EventId);

impl EventHandler for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async move {
            assert_ne!(incoming.event_id, self.0, "on purpose");
            Ok(())
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_one_event_does_not_take_its_neighbours_along() {
    let world = world();
    take(&world, 1).await;
    let id = take(&world, 1).await;
    let first = EventId::new(Event::decode(world.broker.visible()[0].as_bytes()).unwrap().id);
    let registry = Registry::default().with(Subscribed::ToAll, Panics(first));
    let report = consume_by(&world, SHORT, registry).await;
    assert!(report.handled == 1 && report.postponed > 1, "{report:?}");
    assert_eq!(world.broker.unacknowledged(), 1);
    assert!(world.tables.order(id).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_always_panics_ends_in_the_dead_letters() {
    let world = world();
    take(&world, 1).await;
    let event_id = EventId::new(Event::decode(world.broker.visible()[0].as_bytes()).unwrap().id);
    let mut consumer =
        world.consume_events(Registry::default().with(Subscribed::ToAll, Panics(event_id)));
    consumer.pace.attempts_max = 3;
    let report = consumer.run(Deadline::after(LONG)).await;
    assert_eq!((report.handled, report.postponed, report.dead_lettered), (0, 2, 1));
    assert_eq!(world.broker.unacknowledged(), 0);
    let letter = &world.tables.dead_letters()[0];
    assert_eq!(letter.event_id, Some(event_id));
    assert_eq!(letter.handler.as_deref(), Some("panics"));
    assert_eq!(letter.attempts, 3);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_asked_again() {
    let world = world();
    let id = take(&world, 2).await;
    world.broker.script(BrokerFault::ReceiveFails, 4);
    let report = consume(&world, SHORT).await;
    assert_eq!(report.failed_receives, 4);
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn a_window_ends_in_time_whatever_was_received_last() {
    let world = world();
    world.tables.break_down(Operation::Observe, Fault::Refused(FailureClass::Throttled));
    world.tables.break_down(Operation::Bury, Fault::Refused(FailureClass::Unavailable));
    let mut consumer = world.consume_events(world.registry());
    consumer.pace.attempts_max = 1;
    let window = Duration::from_secs(15);
    let late = async {
        // Just before the window takes no more messages.
        tokio::time::sleep(Duration::from_millis(8_900)).await;
        take(&world, 2).await;
    };
    let started = tokio::time::Instant::now();
    let deadline = Deadline::after(window);
    let (report, ()) = tokio::join!(consumer.run(deadline), late);
    assert_eq!((report.postponed, report.dead_lettered), (1, 0));
    assert!(started.elapsed() <= window, "the window took {:?}", started.elapsed());
}
