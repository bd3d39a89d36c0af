//! Shows an account one of its orders.

use domain::identity::{OrderId, UserId};
use domain::order::Order;

use crate::orders::stored;
use crate::outcome::Failure;
use crate::ports::OrderKeys;

/// Reads orders by their user and their identifier, so that an order of another user can't be read.
pub struct GetOrder<Orders> {
    pub orders: Orders,
}

impl<Orders: OrderKeys> GetOrder<Orders> {
    /// A user's order, or `None` if the user has no such order. A tombstone is not an order.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if newer code stored it in a
    /// version that this code can't read.
    pub async fn execute(
        &self,
        user_id: UserId,
        order_id: OrderId,
    ) -> Result<Option<Order>, Failure> {
        let stored = stored(self.orders.at_key(user_id, order_id).await?)?;
        Ok(stored.map(|stored| stored.order))
    }
}
