//! Creating an order: one item, one write.

use std::future::Future;

use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::{AtKey, NewOrder};
use domain::timestamp::Timestamp;

use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// Where new orders are stored.
pub trait OrderCreation: Send + Sync {
    /// Makes one try, within `deadline`, to store a new order, and no second one of its own accord.
    ///
    /// It MUST store the order with its attempt and its pending event if there is neither an order
    /// nor a tombstone that holds the attempt, and MUST NOT change an order that is there. Every try
    /// of one order MUST be the same write. [`WriteTry::Cancelled`] says what was found in its
    /// place: [`AtKey::Absent`] if the store did not say.
    fn create(
        &self,
        new: &NewOrder,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<AtKey>> + Send;
}

/// What is at the keys of orders.
pub trait OrderKeys: Send + Sync {
    /// What is at an order's key. It MUST be a consistent read, and MUST tell the attempt of an
    /// order and the attempts of a tombstone whatever version the rest of the item is of.
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

/// Where attempts are ended that have created no order.
pub trait Fences: Send + Sync {
    /// Makes one try to add an attempt to the tombstone at an order's key, and to keep the tombstone
    /// until `tombstone_until`. It MUST leave the attempts that are there, and MUST be
    /// conditional on there being no order and on room for the attempt: both are
    /// [`WriteTry::Cancelled`]. An attempt that is there already is [`WriteTry::Done`].
    fn fence(
        &self,
        user_id: UserId,
        order_id: OrderId,
        attempt: TransactionId,
        tombstone_until: Timestamp,
    ) -> impl Future<Output = WriteTry<()>> + Send;
}
