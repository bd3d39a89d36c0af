//! Events, from the change of an aggregate to the last handler.

mod consume;
mod groups;
pub(crate) mod handlers;
mod hot_product;
mod letters;
mod open_units;
mod patience;
mod reach;
mod sweep;
mod windows;

use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{ConsumptionReport, Registry};
use contracts::event::{Event, EventType};
use domain::identity::OrderId;
use domain::order::{Order, OrderRecord, OrderStatus, StoredOrder};
use testkit::samples::product_id;
use testkit::world::World;
use tokio::time::Instant;

use crate::orders::create::{command, create};

/// Long enough for an event that succeeds at once.
pub(crate) const SHORT: Duration = Duration::from_secs(60);

/// Long enough for an event that fails until it is given up.
pub(crate) const LONG: Duration = Duration::from_secs(3 * 60 * 60);

/// Consumes for a window, and checks that it ends in time.
pub(crate) async fn consume_with(
    world: &World,
    registry: Registry,
    window: Duration,
) -> ConsumptionReport {
    let started = Instant::now();
    let report = world.consume_pending(registry).run(Deadline::after(window)).await;
    assert!(started.elapsed() <= window, "the window took {:?}", started.elapsed());
    report
}

pub(crate) async fn consume(world: &World, window: Duration) -> ConsumptionReport {
    consume_with(world, Registry::default(), window).await
}

pub(crate) async fn created(world: &World, quantity: u64) -> OrderId {
    create(world, &command(quantity, None)).await.unwrap().order.id()
}

pub(crate) fn stored(world: &World, id: OrderId) -> StoredOrder {
    world.tables.stored_order(id).unwrap()
}

/// Turns the one event of a new order into an event of the next schema version.
pub(crate) fn raised_by_newer_code(world: &World, id: OrderId) {
    let mut newer = stored(world, id);
    let mut history: Vec<_> = newer.order.history().iter().cloned().collect();
    history[0].event.schema_version += 1;
    newer.order = Order::rehydrate(OrderRecord {
        id,
        user_id: newer.order.user_id(),
        currency: newer.order.currency(),
        lines: newer.order.lines().to_vec(),
        total: newer.order.total(),
        history,
        notifications: Vec::new(),
        version: 1,
    })
    .unwrap();
    assert!(StoredAggregate::Order(newer.clone()).message(newer.created_event()).is_err());
    world.tables.put_stored_order(newer);
}

pub(crate) fn notified(stored: &StoredOrder) -> Vec<&str> {
    stored.order.notifications().iter().map(|notified| notified.event_type.as_str()).collect()
}

/// The types of all messages on the topic, each copy counted.
pub(crate) fn published(world: &World) -> Vec<EventType> {
    let event = |body: String| Event::decode(body.as_bytes()).unwrap().data.event_type();
    world.broker.visible().into_iter().map(event).collect()
}

/// An order of two that is confirmed, with each of its effects once.
pub(crate) fn assert_confirmed_once(world: &World, id: OrderId) {
    let stored = stored(world, id);
    assert_eq!((stored.order.status(), stored.order.version()), (OrderStatus::Confirmed, 2));
    assert_eq!(notified(&stored), ["OrderCreated", "OrderConfirmed"]);
    assert!(stored.pending.is_empty(), "{:?}", stored.pending);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
}
