//! Orders and products as clients list them, page by page.

use std::future::Future;

use domain::identity::{OrderId, ProductId, UserId};
use domain::order::StoredOrder;
use domain::product::Product;
use domain::timestamp::Timestamp;

use super::{Page, PageLimit};
use crate::outcome::Failure;

/// The place of an order among its user's orders, which are sorted by time of creation and, where
/// several were created in one millisecond, in a way of the adapter's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderPosition {
    /// When the order was created.
    pub created_at: Timestamp,
    /// The order's identifier.
    pub order_id: OrderId,
}

impl OrderPosition {
    /// The place of an order.
    pub const fn of(stored: &StoredOrder) -> Self {
        Self { created_at: stored.order.created_at(), order_id: stored.order.id() }
    }
}

/// The orders of a user.
pub trait OrderListing: Send + Sync {
    /// At most `limit` of a user's orders, the newest first: from the newest, or from the one after
    /// `after`, whose order need not exist any more. The pages together MUST name each order once
    /// that exists the whole time. An order that was created within the last seconds MAY be missing;
    /// each that is listed MUST be as of the last write. Tombstones MUST NOT be listed.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the page can't be read.
    fn page(
        &self,
        user_id: UserId,
        after: Option<OrderPosition>,
        limit: PageLimit,
    ) -> impl Future<Output = Result<Page<StoredOrder, OrderPosition>, Failure>> + Send;
}

/// The products that are sold.
pub trait ProductListing: Send + Sync {
    /// At most `limit` products, in an order of the adapter's own that stays the same: from the first,
    /// or from the one after `after`, which need not exist any more. The pages together MUST name
    /// each product once that exists the whole time. Prices and stock MAY be a few seconds old.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the page can't be read.
    fn page(
        &self,
        after: Option<ProductId>,
        limit: PageLimit,
    ) -> impl Future<Output = Result<Page<Product, ProductId>, Failure>> + Send;
}
