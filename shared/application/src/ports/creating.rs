//! Creating an order: one item, one write.

use std::future::Future;

use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::{AtKey, NewOrder};
use domain::timestamp::Timestamp;

use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// Stores new orders.
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
    /// of an order and the attempts of a tombstone whatever version the rest of the item has.
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
