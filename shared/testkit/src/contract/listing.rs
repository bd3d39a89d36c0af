//! `OrderListing` and `ProductListing`.

use std::collections::BTreeSet;

use application::outcome::WriteTry;
use application::ports::{
    Fences, OrderCreation, OrderListing, OrderPosition, Page, PageLimit, ProductListing,
};
use domain::identity::OrderId;
use domain::order::{NewOrder, StoredOrder};

use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{created, product, user};

/// Creates orders of user 123 at these times.
async fn create(fixture: &impl TableFixture, moments: &[u64]) -> Vec<NewOrder> {
    let identities = SequentialIdentities::default();
    let mut orders = Vec::with_capacity(moments.len());
    for at in moments {
        let order = created(&identities, user(123), &[(1, 2)], moment(*at)).order;
        store(fixture, &order).await;
        orders.push(order);
    }
    orders
}

async fn store(fixture: &impl TableFixture, order: &NewOrder) {
    let put = fixture.order_keys().create(order, soon()).await;
    assert!(matches!(put, WriteTry::Done), "{put:?}");
}

async fn page(
    fixture: &impl TableFixture,
    after: Option<OrderPosition>,
    limit: u8,
) -> Page<StoredOrder, OrderPosition> {
    let limit = PageLimit::new(limit).unwrap();
    let page = fixture.order_listing().page(user(123), after, limit).await.unwrap();
    assert_eq!(page.unreadable, 0);
    page
}

/// All orders of user 123, read in pages of `limit`.
async fn all(fixture: &impl TableFixture, limit: u8) -> Vec<OrderId> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = page(fixture, after, limit).await;
        assert!(page.items.len() <= usize::from(limit));
        listed.extend(page.items.iter().map(|stored| stored.order.id()));
        after = page.next;
        if after.is_none() {
            return listed;
        }
    }
}

fn ids<'a>(orders: impl IntoIterator<Item = &'a NewOrder>) -> Vec<OrderId> {
    orders.into_iter().map(|order| order.order().id()).collect()
}

pub async fn orders_are_listed_the_newest_first_as_they_are_stored(fixture: &impl TableFixture) {
    let orders = create(fixture, &[5, 1, 9]).await;
    let listed = page(fixture, None, 100).await;
    let [first, middle, last] = &orders[..] else { unreachable!() };
    let newest_first = [last, first, middle];
    let expected = newest_first.map(|order| (order.order(), order.attempt()));
    let found: Vec<_> = listed.items.iter().map(|stored| (&stored.order, stored.attempt)).collect();
    assert_eq!(found, expected);
}

pub async fn the_pages_list_every_order_once(fixture: &impl TableFixture) {
    let moments: Vec<u64> = (0..25).collect();
    let orders = create(fixture, &moments).await;
    let newest_first = ids(orders.iter().rev());
    for limit in [1, 7, 25, 100] {
        assert_eq!(all(fixture, limit).await, newest_first, "{limit} a page");
    }
}

pub async fn orders_of_one_millisecond_are_each_listed_once(fixture: &impl TableFixture) {
    let orders = create(fixture, &[3; 7]).await;
    let listed = all(fixture, 2).await;
    assert_eq!(listed.len(), 7);
    let listed: BTreeSet<OrderId> = listed.into_iter().collect();
    assert_eq!(listed, ids(&orders).into_iter().collect());
}

pub async fn an_order_created_meanwhile_moves_no_page(fixture: &impl TableFixture) {
    let orders = create(fixture, &[1, 2, 3, 4]).await;
    let first = page(fixture, None, 2).await;
    let identities = SequentialIdentities::default();
    // The first four identifiers belong to the others.
    let another = || created(&identities, user(123), &[(1, 2)], moment(5)).order;
    orders.iter().for_each(|_| drop(another()));
    store(fixture, &another()).await;
    let second = page(fixture, first.next, 2).await;
    let listed = first.items.iter().chain(&second.items).map(|stored| stored.order.id());
    assert_eq!(listed.collect::<Vec<_>>(), ids(orders.iter().rev()));
}

pub async fn neither_tombstones_nor_other_users_orders_are_listed(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let fenced = created(&identities, user(123), &[(1, 2)], moment(1)).order;
    let keys = fixture.order_keys();
    let order = fenced.order();
    let fence = keys.fence(order.user_id(), order.id(), fenced.attempt(), moment(9)).await;
    assert!(matches!(fence, WriteTry::Done), "{fence:?}");
    store(fixture, &created(&identities, user(124), &[(1, 2)], moment(2)).order).await;
    assert_eq!(page(fixture, None, 100).await.items, []);
}

pub async fn the_pages_list_every_product_once(fixture: &impl TableFixture) {
    let products: Vec<_> = (1..=25).map(|number| product(number, 24)).collect();
    fixture.put_products(&products).await;
    let limit = PageLimit::new(10).unwrap();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = fixture.product_listing().page(after, limit).await.unwrap();
        assert!(page.items.len() <= 10 && page.unreadable == 0);
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let last = listed.last().map(|product| product.id);
    let beyond = fixture.product_listing().page(last, limit).await.unwrap();
    assert_eq!((beyond.items, beyond.next), (Vec::new(), None), "there is nothing after the last");
    listed.sort_by_key(|product| product.id);
    assert_eq!(listed, products);
}

pub async fn a_page_after_a_product_that_is_gone_is_read_all_the_same(fixture: &impl TableFixture) {
    fixture.put_products(&[product(1, 5)]).await;
    let gone = Some(product(7, 0).id);
    let page = fixture.product_listing().page(gone, PageLimit::MAX).await.unwrap();
    assert!(page.items.len() <= 1, "{page:?}");
}
