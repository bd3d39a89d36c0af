//! Reads orders, and the items at the keys of orders.

use application::outcome::Failure;
use application::ports::{OrderKeys, OrderReader};
use domain::identity::{OrderId, UserId};
use domain::order::{AtKey, Order};

use super::DynamoOrders;
use crate::keys;
use crate::reading::consistent_get;
use crate::records::{at_key, is_order, stored_order};

impl<Stock: Send + Sync> OrderKeys for DynamoOrders<Stock> {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        let key = keys::of_order(user_id, order_id);
        let found = consistent_get(&self.client, self.orders.as_str(), key).await?;
        Ok(found.map_or(Ok(AtKey::Absent), at_key)?)
    }
}

impl<Stock: Send + Sync> OrderReader for DynamoOrders<Stock> {
    async fn find(&self, user_id: UserId, order_id: OrderId) -> Result<Option<Order>, Failure> {
        let key = keys::of_order(user_id, order_id);
        let found = consistent_get(&self.client, self.orders.as_str(), key).await?;
        let stored = found.filter(is_order).map(stored_order).transpose()?;
        Ok(stored.map(|stored| stored.order))
    }
}
