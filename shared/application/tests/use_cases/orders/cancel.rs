//! A cancelled order gives its stock back, once, whatever else happens to it.

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::cancel::{CancelOrder, CancelOrderCommand, CancelOrderError};
use application::outcome::FailureClass;
use contracts::event::EventType;
use domain::identity::OrderId;
use domain::order::{Order, OrderStatus};
use domain::pending::Publication;
use testkit::fault::{Fault, Operation};
use testkit::samples::{TRACEPARENT, product_id, user};
use testkit::world::World;

use super::create::world;
use crate::events::{SHORT, consume, created, notified, published, stored};

pub(crate) async fn cancel_as(
    world: &World,
    user_id: u64,
    order_id: OrderId,
) -> Result<Option<Order>, CancelOrderError> {
    let cancel_order = CancelOrder {
        orders: world.tables.clone(),
        returns: world.tables.clone(),
        clock: world.clock.clone(),
        identities: world.identities.clone(),
    };
    let traceparent = Some(TRACEPARENT.to_owned());
    let command = CancelOrderCommand { user_id: user(user_id), order_id, traceparent };
    cancel_order.execute(&command, Deadline::after(Duration::from_secs(9))).await
}

async fn cancel(world: &World, order_id: OrderId) -> Result<Option<Order>, CancelOrderError> {
    cancel_as(world, 123, order_id).await
}

fn stock(world: &World) -> u32 {
    world.tables.stock_of(product_id(1)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_gives_its_stock_back_and_its_event_is_pending() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    assert_eq!(stock(&world), 8);
    let order = cancel(&world, id).await.unwrap().unwrap();
    assert_eq!((order.status(), order.version(), stock(&world)), (OrderStatus::Cancelled, 3, 10));
    let stored = stored(&world, id);
    assert_eq!(stored.order, order);
    let event = order.latest_event().stamp;
    assert_eq!(event.traceparent.as_deref(), Some(TRACEPARENT));
    let pending = stored.pending.get(event.event_id).unwrap();
    assert_eq!(pending.publication, Publication::Unsent);
    assert!(world.tables.index_entry(id).is_some(), "the sweep publishes it");
}

#[tokio::test(start_paused = true)]
async fn an_order_without_reserved_stock_gives_nothing_back_and_is_not_confirmed_after_it() {
    let world = world();
    let id = created(&world, 2).await;
    assert!(cancel(&world, id).await.unwrap().is_some());
    assert_eq!(stock(&world), 10);
    consume(&world, SHORT).await;
    let stored = stored(&world, id);
    assert_eq!((stored.order.status(), stock(&world)), (OrderStatus::Cancelled, 10));
    assert_eq!(published(&world), [EventType::OrderCreated]);
    assert_eq!(notified(&stored), ["OrderCreated"]);
    assert_eq!(stored.pending.len(), 1, "OrderCancelled waits for the sweep");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_order_is_answered_as_it_is() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    let first = cancel(&world, id).await.unwrap();
    let again = cancel(&world, id).await.unwrap();
    assert_eq!((again, stock(&world)), (first, 10));
    assert_eq!(world.tables.calls(Operation::GiveBack), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_order_is_not_cancelled() {
    let world = world();
    let id = created(&world, 11).await;
    consume(&world, SHORT).await;
    let refused = cancel(&world, id).await.unwrap_err();
    assert!(matches!(refused, CancelOrderError::Refused(_)), "{refused:?}");
    assert_eq!(stored(&world, id).order.version(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_order_of_another_user_is_not_found() {
    let world = world();
    let id = created(&world, 2).await;
    assert_eq!(cancel_as(&world, 124, id).await.unwrap(), None);
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Created);
}

/// Twenty cancels run at the same time as the reservation. Whichever is stored first, the result is
/// the same.
#[tokio::test(start_paused = true)]
async fn of_many_cancels_beside_the_reservation_one_gives_back() {
    let world = world();
    let id = created(&world, 2).await;
    let cancels = futures::future::join_all((0..20).map(|_| cancel(&world, id)));
    let (cancels, _) = tokio::join!(cancels, consume(&world, SHORT));
    let status = |cancelled: Result<Option<Order>, _>| cancelled.unwrap().unwrap().status();
    assert!(cancels.into_iter().map(status).all(|status| status == OrderStatus::Cancelled));
    let stored = stored(&world, id);
    let cancelled = stored.order.history().iter().filter(|c| c.status == OrderStatus::Cancelled);
    assert_eq!((cancelled.count(), stock(&world)), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_landed_unnoticed_is_found_and_gives_back_once() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    world.tables.script(Operation::GiveBack, [Fault::ReplyLost]);
    let order = cancel(&world, id).await.unwrap().unwrap();
    assert_eq!((order.version(), stock(&world)), (3, 10));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_reported_and_a_retry_settles_it() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    world.tables.fail_every_call(Operation::GiveBack, Fault::RequestLost);
    let open = cancel(&world, id).await.unwrap_err();
    assert!(matches!(open, CancelOrderError::Open(_)), "{open:?}");
    world.tables.heal(Operation::GiveBack);
    assert!(cancel(&world, id).await.unwrap().is_some());
    assert_eq!(stock(&world), 10);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_refused_leaves_nothing_open() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    world.tables.script(Operation::GiveBack, [Fault::Refused(FailureClass::Permanent)]);
    let refused = cancel(&world, id).await.unwrap_err();
    assert!(matches!(refused, CancelOrderError::NotStored(_)), "{refused:?}");
    assert_eq!((stored(&world, id).order.status(), stock(&world)), (OrderStatus::Confirmed, 8));
}

#[tokio::test(start_paused = true)]
async fn an_order_of_a_product_that_is_gone_can_still_be_cancelled() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    world.tables.remove_product(product_id(1));
    let order = cancel(&world, id).await.unwrap().unwrap();
    assert_eq!(order.status(), OrderStatus::Cancelled);
    assert_eq!(world.tables.stock_of(product_id(1)), None);
}

#[tokio::test(start_paused = true)]
async fn the_user_of_a_cancelled_order_is_notified_when_its_event_comes() {
    let world = world();
    let id = created(&world, 2).await;
    consume(&world, SHORT).await;
    cancel(&world, id).await.unwrap();
    world.sweep_pending().run(Deadline::after(Duration::from_secs(10))).await;
    consume(&world, SHORT).await;
    let stored = stored(&world, id);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderConfirmed", "OrderCancelled"]);
    assert!(stored.pending.is_empty());
    assert_eq!(published(&world).last(), Some(&EventType::OrderCancelled));
}
