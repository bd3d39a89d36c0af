//! `OrderReader`.

use application::outcome::WriteTry;
use application::ports::{Fences, OrderCreation, OrderReader};
use domain::order::{NewOrder, Order};

use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{created, user};

async fn create(fixture: &impl TableFixture) -> NewOrder {
    let new = created(&SequentialIdentities::default(), user(123), &[(1, 2), (7, 3)], moment(0));
    let put = fixture.order_keys().create(&new.order, soon()).await;
    assert!(matches!(put, WriteTry::Done), "{put:?}");
    new.order
}

async fn find(fixture: &impl TableFixture, user_id: u64, order: &Order) -> Option<Order> {
    fixture.reader().find(user(user_id), order.id()).await.unwrap()
}

pub async fn a_created_order_is_found_as_it_was_stored(fixture: &impl TableFixture) {
    let new = create(fixture).await;
    assert_eq!(find(fixture, 123, new.order()).await.as_ref(), Some(new.order()));
}

/// Even if attempts were fenced there.
pub async fn an_order_that_does_not_exist_is_not_found(fixture: &impl TableFixture) {
    let new = created(&SequentialIdentities::default(), user(123), &[(1, 2)], moment(0)).order;
    assert_eq!(find(fixture, 123, new.order()).await, None);
    let order = new.order();
    let keys = fixture.order_keys();
    let fenced = keys.fence(order.user_id(), order.id(), new.attempt(), moment(9)).await;
    assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
    assert_eq!(find(fixture, 123, order).await, None);
}

pub async fn another_users_order_looks_like_one_that_does_not_exist(fixture: &impl TableFixture) {
    let new = create(fixture).await;
    assert_eq!(find(fixture, 124, new.order()).await, None);
}
