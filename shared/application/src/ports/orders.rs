//! Orders, from their creation on.

use std::future::Future;

use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::{AtKey, NewOrder, StoredOrder};
use domain::timestamp::Timestamp;

use super::{Page, PageLimit};
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// A key that a client chooses for one intended order: 1 to 255 visible ASCII characters
/// (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The maximum length in characters.
    pub const LENGTH_MAX: usize = 255;

    /// Reads a key. `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        valid.then(|| Self(text.to_owned()))
    }

    /// The key as the client sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stores new orders, each as one item.
pub trait OrderCreation: Send + Sync {
    /// Makes one try, within `deadline`, to store a new order, and never a second one.
    ///
    /// It MUST store the order with its attempt and its pending event if there is neither an order
    /// nor a tombstone that holds the attempt, and MUST NOT change an existing order. Every try for
    /// one order MUST be the same write. [`WriteTry::Cancelled`] contains what was found instead:
    /// [`AtKey::Absent`] if the store did not return it.
    fn create(
        &self,
        new: &NewOrder,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<AtKey>> + Send;
}

/// Reads what is stored at the keys of orders.
pub trait OrderKeys: Send + Sync {
    /// What is stored at an order's key. It MUST be a consistent read, and MUST return the attempt
    /// of an order and the attempts of a tombstone whatever version the rest of the item has. The
    /// order of another user MUST look like a missing one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn at_key(
        &self,
        user_id: UserId,
        order_id: OrderId,
    ) -> impl Future<Output = Result<AtKey, Failure>> + Send;
}

/// Fences attempts that have created no order.
pub trait Fences: Send + Sync {
    /// Makes one try to add an attempt to the tombstone at an order's key, and to keep the
    /// tombstone until `tombstone_until`. It MUST keep the attempts that the tombstone already
    /// holds. If there is an order, or no room for the attempt, it MUST return
    /// [`WriteTry::Cancelled`]. An attempt that is there already is [`WriteTry::Done`].
    fn fence(
        &self,
        user_id: UserId,
        order_id: OrderId,
        attempt: TransactionId,
        tombstone_until: Timestamp,
    ) -> impl Future<Output = WriteTry<()>> + Send;
}

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

/// Lists the orders of a user.
pub trait OrderListing: Send + Sync {
    /// At most `limit` of a user's orders, the newest first: from the newest, or from the one after
    /// `after`, whose order need not exist any more. The pages together MUST name each order once
    /// that exists the whole time. An order that was created within the last seconds MAY be
    /// missing; each that is listed MUST be as of the last write. Tombstones MUST NOT be listed.
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
