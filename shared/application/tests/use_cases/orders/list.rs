//! A user's orders, the newest first, page by page.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::orders::list::{ListOrders, ListOrdersError, OrderPage, OrderQuery};
use application::outcome::{Failure, FailureClass};
use application::ports::{
    Clock, OrderCreation, OrderKeys, OrderListing, OrderPosition, Page, PageLimit,
};
use domain::identity::{OrderId, UserId};
use domain::order::{AtKey, OrderStatus, StoredOrder};
use domain::timestamp::Timestamp;
use testkit::fault::{Fault, Operation};
use testkit::samples::{created, user};
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::create::world;
use crate::events::{SHORT, consume, created as created_order};

/// Stores orders that were created at these times, in milliseconds, and returns their identifiers.
async fn store(world: &World, user_id: u64, moments: impl IntoIterator<Item = i64>) -> Vec<String> {
    let mut ids = Vec::new();
    for at in moments {
        let at = Timestamp::from_millis(at);
        let order = created(&world.identities, user(user_id), &[(1, 2)], at).order;
        let _done = world.tables.create(&order, Deadline::after(Duration::from_secs(9))).await;
        ids.push(order.order().id().to_string());
    }
    ids
}

fn query(limit: u8, cursor: Option<&str>) -> OrderQuery<'_> {
    OrderQuery { limit: PageLimit::new(limit).unwrap(), status: None, cursor }
}

async fn list(
    world: &World,
    user_id: u64,
    query: OrderQuery<'_>,
) -> Result<OrderPage, ListOrdersError> {
    list_within(world, user_id, query, Duration::from_secs(9)).await
}

async fn list_within(
    world: &World,
    user_id: u64,
    query: OrderQuery<'_>,
    time: Duration,
) -> Result<OrderPage, ListOrdersError> {
    let list = ListOrders { orders: world.tables.clone() };
    list.execute(user(user_id), query, Deadline::after(time)).await
}

fn ids(page: &OrderPage) -> Vec<String> {
    page.orders.iter().map(|order| order.id().to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_pages_list_every_order_once_and_the_last_has_no_cursor() {
    let world = world();
    let mut newest_first = store(&world, 123, 0..25).await;
    newest_first.reverse();
    store(&world, 124, 0..3).await;
    for limit in [1, 10, 24, 25, 26, 100] {
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = list(&world, 123, query(limit, cursor.as_deref())).await.unwrap();
            listed.extend(ids(&page));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            assert_eq!(page.orders.len(), usize::from(limit));
        }
        assert_eq!(listed, newest_first, "{limit} a page");
    }
    assert_eq!(list(&world, 125, query(10, None)).await.unwrap().orders, []);
}

#[tokio::test(start_paused = true)]
async fn a_rare_status_is_found_among_many_orders() {
    let world = world();
    store(&world, 123, 0..230).await;
    let rare = created_order(&world, 2).await.to_string();
    consume(&world, SHORT).await;
    store(&world, 123, (1..=230).map(|after| world_time(&world) + after)).await;
    let confirmed = OrderQuery { status: Some(OrderStatus::Confirmed), ..query(1, None) };
    let page = list(&world, 123, confirmed).await.unwrap();
    assert_eq!(ids(&page), [rare]);
    let cursor = page.next_cursor.unwrap();
    let rest = OrderQuery { cursor: Some(&cursor), ..confirmed };
    let rest = list(&world, 123, rest).await.unwrap();
    assert_eq!((rest.orders, rest.next_cursor), (vec![], None));
}

/// Later than every order that a use case has created.
fn world_time(world: &World) -> i64 {
    world.clock.now().as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_page_reads_500_orders_at_most_and_the_next_continues() {
    let world = world();
    store(&world, 123, 0..640).await;
    let rejected = OrderQuery { status: Some(OrderStatus::Rejected), ..query(5, None) };
    let page = list(&world, 123, rejected).await.unwrap();
    assert_eq!(page.orders, []);
    let cursor = page.next_cursor.expect("140 orders are left");
    let rest = OrderQuery { cursor: Some(&cursor), ..rejected };
    let rest = list(&world, 123, rest).await.unwrap();
    assert_eq!((rest.orders, rest.next_cursor), (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_when_no_time_is_left_and_the_next_continues() {
    let world = world();
    store(&world, 123, 0..150).await;
    let rejected = OrderQuery { status: Some(OrderStatus::Rejected), ..query(5, None) };
    let page = list_within(&world, 123, rejected, Duration::from_secs(1)).await.unwrap();
    let cursor = page.next_cursor.expect("50 orders are not read");
    let rest = OrderQuery { cursor: Some(&cursor), ..rejected };
    assert_eq!(list(&world, 123, rest).await.unwrap().next_cursor, None);
}

/// A table whose pages take a minute, or fail, after the first.
struct Tired {
    tables: MemoryTables,
    fails: bool,
    pages: AtomicU32,
}

impl OrderListing for Tired {
    async fn page(
        &self,
        user_id: UserId,
        after: Option<OrderPosition>,
        limit: PageLimit,
    ) -> Result<Page<StoredOrder, OrderPosition>, Failure> {
        if self.pages.fetch_add(1, Ordering::Relaxed) > 0 {
            if self.fails {
                return Err(Failure::new(FailureClass::Unavailable, "tired"));
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        self.tables.page(user_id, after, limit).await
    }
}

impl OrderKeys for Tired {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        self.tables.at_key(user_id, order_id).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_returned_though_the_next_read_is_slow_or_fails() {
    for fails in [false, true] {
        let world = world();
        store(&world, 123, 0..150).await;
        let rejected = OrderQuery { status: Some(OrderStatus::Rejected), ..query(5, None) };
        let tables = world.tables.clone();
        let orders = Tired { tables, fails, pages: AtomicU32::new(0) };
        let within = Deadline::after(Duration::from_secs(5));
        let page = ListOrders { orders }.execute(user(123), rejected, within).await.unwrap();
        assert!(!within.has_passed());
        let cursor = page.next_cursor.expect("50 orders are not read");
        let rest = OrderQuery { cursor: Some(&cursor), ..rejected };
        assert_eq!(list(&world, 123, rest).await.unwrap().next_cursor, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_valid_for_its_user_and_its_status_alone() {
    let world = world();
    store(&world, 123, 0..3).await;
    store(&world, 124, 0..3).await;
    let cursor = list(&world, 123, query(1, None)).await.unwrap().next_cursor.unwrap();
    assert!(list(&world, 123, query(2, Some(&cursor))).await.is_ok());
    // A digit of the time of creation, and one of the signature.
    let [time, signature] = [10, 70].map(|at| {
        let mut changed = cursor.clone();
        let digit = if &cursor[at..=at] == "0" { "1" } else { "0" };
        changed.replace_range(at..=at, digit);
        changed
    });
    let created = OrderQuery { status: Some(OrderStatus::Created), ..query(1, Some(&cursor)) };
    for (user_id, asked) in [
        (124, query(1, Some(&cursor))),
        (123, created),
        (123, query(1, Some(&time))),
        (123, query(1, Some(&signature))),
        (123, query(1, Some(&cursor[1..]))),
        (123, query(1, Some(""))),
    ] {
        let error = list(&world, user_id, asked).await.unwrap_err();
        assert!(matches!(error, ListOrdersError::InvalidCursor), "{asked:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn orders_created_meanwhile_do_not_move_the_next_page() {
    let world = world();
    let orders = store(&world, 123, 0..4).await;
    let page = list(&world, 123, query(2, None)).await.unwrap();
    store(&world, 123, 4..9).await;
    let next = list(&world, 123, query(2, page.next_cursor.as_deref())).await.unwrap();
    assert_eq!(ids(&next), [orders[1].clone(), orders[0].clone()]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_is_not_an_empty_page() {
    let world = world();
    world.tables.fail_every_call(Operation::PageOfOrders, Fault::Refused(FailureClass::Throttled));
    let error = list(&world, 123, query(2, None)).await.unwrap_err();
    assert!(matches!(error, ListOrdersError::Unavailable(_)), "{error}");
}
