//! No text is a cursor of orders that nobody has signed.

#![no_main]

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::list::{ListOrders, ListOrdersError, OrderQuery};
use application::outcome::Failure;
use application::ports::{OrderKeys, OrderListing, OrderPosition, Page, PageLimit};
use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::{AtKey, StoredOrder};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

/// An order at each key, and none on a page.
struct Orders;

impl OrderKeys for Orders {
    async fn at_key(&self, _: UserId, _: OrderId) -> Result<AtKey, Failure> {
        Ok(AtKey::Created { attempt: TransactionId::new(Uuid::nil()), stored: None })
    }
}

impl OrderListing for Orders {
    async fn page(
        &self,
        _: UserId,
        _: Option<OrderPosition>,
        _: PageLimit,
    ) -> Result<Page<StoredOrder, OrderPosition>, Failure> {
        Ok(Page { items: Vec::new(), unreadable: 0, next: None })
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let query = OrderQuery { limit: PageLimit::MAX, status: None, cursor: Some(&text) };
    let user_id = UserId::new(123).unwrap();
    let within = Deadline::after(Duration::from_secs(10));
    let page = block_on(ListOrders { orders: Orders }.execute(user_id, query, within));
    assert!(matches!(page, Err(ListOrdersError::InvalidCursor)), "{text}");
});
