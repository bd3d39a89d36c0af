//! An account holds at most so many open units (ADR 0019).

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::Registry;
use application::orders::create::CreateOrderCommand;
use application::outcome::FailureClass;
use application::ports::Clock;
use domain::identity::OrderId;
use domain::order::OrderStatus::{self, Cancelled, Confirmed, Rejected};
use domain::order::{OpenCount, OpenPeriod};
use testkit::fault::{Fault, Operation};
use testkit::samples::{lines, product, product_id, user};
use testkit::world::World;

use super::{SHORT, consume};
use crate::orders::cancel::cancel_as;
use crate::orders::create::create;

const BUYER: u64 = 123;
const OTHER: u64 = 7;

/// Twenty products with a stock of 100, and accounts that may hold `most` open units.
fn shop(most: Option<u32>) -> World {
    let world = World { open_units_max: most, ..World::default() };
    (1..=20).for_each(|id| world.tables.put_product(product(id, 100)));
    world
}

async fn order(world: &World, user_id: u64, wanted: &[(u64, u64)]) -> OrderId {
    let command = CreateOrderCommand {
        user_id: user(user_id),
        lines: lines(wanted),
        key: None,
        traceparent: None,
    };
    create(world, &command).await.unwrap().order.id()
}

fn status(world: &World, id: OrderId) -> OrderStatus {
    world.tables.stored_order(id).unwrap().order.status()
}

fn statuses(world: &World, ids: &[OrderId]) -> Vec<OrderStatus> {
    ids.iter().map(|id| status(world, *id)).collect()
}

/// The count of an account in the period of the clock.
fn held(world: &World, user_id: u64) -> u32 {
    let period = OpenPeriod::of(world.clock.now());
    world.tables.open_units(OpenCount { user_id: user(user_id), period })
}

#[tokio::test(start_paused = true)]
async fn an_account_holds_at_most_so_many_open_units() {
    let world = shop(Some(5));
    let mut ids = Vec::new();
    // The last one is more than the account may ever hold.
    for (user_id, quantity) in [(BUYER, 3), (BUYER, 2), (BUYER, 1), (OTHER, 5), (OTHER, 6)] {
        ids.push(order(&world, user_id, &[(1, quantity)]).await);
        consume(&world, SHORT).await;
    }
    assert_eq!(statuses(&world, &ids), [Confirmed, Confirmed, Rejected, Confirmed, Rejected]);
    assert_eq!((held(&world, BUYER), held(&world, OTHER)), (5, 5));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(90));
}

#[tokio::test(start_paused = true)]
async fn of_orders_at_once_as_many_are_confirmed_as_the_account_may_hold() {
    let world = shop(Some(7));
    let mut ids = Vec::new();
    for id in 1..=20 {
        ids.push(order(&world, BUYER, &[(id, 1)]).await);
    }
    let windows = [0; 3].map(|_| world.consume_pending(Registry::default()));
    futures::future::join_all(windows.iter().map(|w| w.run(Deadline::after(SHORT)))).await;
    let statuses = statuses(&world, &ids);
    let confirmed = statuses.iter().filter(|status| **status == Confirmed).count();
    let rejected = statuses.iter().filter(|status| **status == Rejected).count();
    assert_eq!((confirmed, rejected, held(&world, BUYER)), (7, 13, 7));
    let taken: u32 = (1..=20).map(|id| 100 - world.tables.stock_of(product_id(id)).unwrap()).sum();
    assert_eq!(taken, 7);
}

#[tokio::test(start_paused = true)]
async fn what_a_group_has_too_much_of_is_rejected_and_the_rest_is_confirmed() {
    let world = shop(Some(10));
    let mut ids = Vec::new();
    for (user_id, quantity) in [(BUYER, 6), (OTHER, 10), (BUYER, 6), (BUYER, 4), (OTHER, 1)] {
        ids.push(order(&world, user_id, &[(1, quantity)]).await);
    }
    world.tables.script(Operation::Reserve, [Fault::Busy]);
    consume(&world, SHORT).await;
    assert_eq!(statuses(&world, &ids), [Confirmed, Confirmed, Rejected, Confirmed, Rejected]);
    assert_eq!((held(&world, BUYER), held(&world, OTHER)), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_order_frees_its_units_once() {
    let world = shop(Some(5));
    let first = order(&world, BUYER, &[(1, 2), (2, 1)]).await;
    let second = order(&world, BUYER, &[(1, 2)]).await;
    consume(&world, SHORT).await;
    assert_eq!(held(&world, BUYER), 5);
    for fault in [None, Some(Fault::ReplyLost)] {
        world.tables.script(Operation::GiveBack, fault);
        let cancels = (0..3).map(|_| cancel_as(&world, BUYER, first));
        for cancelled in futures::future::join_all(cancels).await {
            assert_eq!(cancelled.unwrap().unwrap().status(), Cancelled);
        }
        assert_eq!(held(&world, BUYER), 2, "{fault:?}");
    }
    let third = order(&world, BUYER, &[(1, 3)]).await;
    consume(&world, SHORT).await;
    assert_eq!(statuses(&world, &[second, third]), [Confirmed; 2]);
    // An order that is not confirmed holds nothing.
    let fourth = order(&world, BUYER, &[(1, 1)]).await;
    cancel_as(&world, BUYER, fourth).await.unwrap();
    assert_eq!(held(&world, BUYER), 5);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_whose_outcome_is_unknown_is_counted_once() {
    for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::LandsLate] {
        let world = shop(Some(100));
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(order(&world, BUYER, &[(1, 2)]).await);
        }
        world.tables.script(Operation::Reserve, [fault, fault]);
        consume(&world, SHORT).await;
        world.tables.apply_late_writes();
        assert_eq!(statuses(&world, &ids), [Confirmed; 5], "{fault:?}");
        assert_eq!(held(&world, BUYER), 10, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn units_of_an_earlier_period_are_no_longer_open() {
    let world = shop(Some(5));
    let early = order(&world, BUYER, &[(1, 5)]).await;
    consume(&world, SHORT).await;
    world.clock.advance(OpenPeriod::LENGTH);
    let late = order(&world, BUYER, &[(1, 4)]).await;
    consume(&world, SHORT).await;
    assert_eq!(statuses(&world, &[early, late]), [Confirmed; 2]);
    // Cancelling gives back stock, and nothing that counts now.
    cancel_as(&world, BUYER, early).await.unwrap();
    assert_eq!((held(&world, BUYER), world.tables.stock_of(product_id(1))), (4, Some(96)));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_not_counted_gives_no_units_back() {
    let world = shop(None);
    let uncounted = order(&world, BUYER, &[(1, 50)]).await;
    consume(&world, SHORT).await;
    assert_eq!(held(&world, BUYER), 0);
    let world = World { open_units_max: Some(5), ..world };
    let counted = order(&world, BUYER, &[(1, 5)]).await;
    consume(&world, SHORT).await;
    assert_eq!(statuses(&world, &[uncounted, counted]), [Confirmed; 2]);
    cancel_as(&world, BUYER, uncounted).await.unwrap();
    assert_eq!((held(&world, BUYER), world.tables.stock_of(product_id(1))), (5, Some(95)));
}

/// An account whose write is under way delays its own orders, and no other account's.
#[tokio::test(start_paused = true)]
async fn an_account_that_is_busy_holds_up_no_product() {
    let world = shop(Some(100));
    let slow = order(&world, BUYER, &[(1, 1)]).await;
    world.tables.script(Operation::Reserve, [Fault::LandsLate]);
    let consuming = world.consume_pending(Registry::default());
    let watching = async {
        while world.tables.calls(Operation::Reserve) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It waits for the account, and others want its product.
        let waits = order(&world, BUYER, &[(2, 1)]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let passes = order(&world, OTHER, &[(2, 1)]).await;
        while status(&world, passes) != Confirmed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let meanwhile = [status(&world, slow), status(&world, waits)];
        (waits, meanwhile)
    };
    let (_, (waits, meanwhile)) = tokio::join!(consuming.run(Deadline::after(SHORT)), watching);
    assert_eq!(meanwhile, [OrderStatus::Created; 2]);
    assert_eq!(statuses(&world, &[slow, waits]), [Confirmed; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_gone_does_not_keep_an_order_from_being_cancelled() {
    let world = shop(Some(5));
    let id = order(&world, BUYER, &[(1, 5)]).await;
    consume(&world, SHORT).await;
    let period = OpenPeriod::of(world.clock.now());
    world.tables.remove_open_units(OpenCount { user_id: user(BUYER), period });
    let cancelled = cancel_as(&world, BUYER, id).await.unwrap().unwrap();
    assert_eq!((cancelled.status(), world.tables.stock_of(product_id(1))), (Cancelled, Some(100)));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_is_refused_for_good_counts_nothing() {
    let world = shop(Some(5));
    order(&world, BUYER, &[(1, 5)]).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    world.consume_pending(Registry::default()).run(Deadline::after(Duration::from_secs(8))).await;
    assert_eq!(held(&world, BUYER), 0);
    world.tables.heal(Operation::Reserve);
    consume(&world, SHORT).await;
    assert_eq!(held(&world, BUYER), 5);
}
