//! An order is shown to its account and to nobody else.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::Registry;
use application::orders::get::GetOrder;
use application::outcome::{Failure, FailureClass};
use application::ports::{Clock, Fences, IdentitySource, OrderKeys};
use domain::identity::{OrderId, UserId};
use domain::order::{AtKey, OrderStatus};
use testkit::fault::{Fault, Operation};
use testkit::samples::user;
use testkit::tables::MemoryTables;

use super::create::{command, create, world};

#[tokio::test(start_paused = true)]
async fn an_order_is_shown_as_it_is_to_its_account_alone() {
    let world = world();
    let id = create(&world, &command(2, None)).await.unwrap().order.id();
    let window = Deadline::after(Duration::from_secs(60));
    world.consume_pending(Registry::default()).run(window).await;
    let get = GetOrder { orders: world.tables.clone() };
    let shown = get.execute(user(123), id).await.unwrap().unwrap();
    assert_eq!((shown.status(), shown.version()), (OrderStatus::Confirmed, 2));
    assert_eq!(shown.notifications().len(), 2);
    assert_eq!(get.execute(user(124), id).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_is_no_order() {
    let world = world();
    let (order_id, attempt) = (world.identities.order_id(), world.identities.transaction_id());
    let until = world.clock.now().plus(Duration::from_secs(60));
    let _fenced = world.tables.fence(user(123), order_id, attempt, until).await;
    assert!(world.tables.tombstone(user(123), order_id).is_some());
    let get = GetOrder { orders: world.tables.clone() };
    assert_eq!(get.execute(user(123), order_id).await.unwrap(), None);
}

/// What newer code has stored.
struct Newer(MemoryTables);

impl OrderKeys for Newer {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        Ok(match self.0.at_key(user_id, order_id).await? {
            AtKey::Created { attempt, .. } => AtKey::Created { attempt, stored: None },
            other => other,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_read_is_not_reported_as_missing() {
    let world = world();
    let id = create(&world, &command(2, None)).await.unwrap().order.id();
    let newer = GetOrder { orders: Newer(world.tables.clone()) };
    let failure = newer.execute(user(123), id).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Permanent);
    world.tables.fail_every_call(Operation::AtKey, Fault::Refused(FailureClass::Throttled));
    let get = GetOrder { orders: world.tables.clone() };
    assert_eq!(get.execute(user(123), id).await.unwrap_err().class, FailureClass::Throttled);
}
