//! Shows a customer one of their orders.

use domain::identity::{OrderId, UserId};

use crate::event::order_body;
use crate::outcome::Failure;
use crate::ports::OrderReader;

/// The use case with the port it needs.
pub struct GetOrder<O> {
    /// Where orders are looked up.
    pub orders: O,
}

impl<O: OrderReader> GetOrder<O> {
    /// A user's order, or `None` if the user has no such order; another user's is none.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    pub async fn execute(
        &self,
        user_id: UserId,
        order_id: OrderId,
    ) -> Result<Option<contracts::order::Order>, Failure> {
        Ok(self.orders.find(user_id, order_id).await?.as_ref().map(order_body))
    }
}
