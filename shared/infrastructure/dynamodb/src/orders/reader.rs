//! Reads the items at the keys of orders.

use application::outcome::Failure;
use application::ports::OrderKeys;
use domain::identity::{OrderId, UserId};
use domain::order::AtKey;

use super::DynamoOrders;
use crate::keys;
use crate::reading::consistent_get;
use crate::records::at_key;

impl<Stock: Send + Sync> OrderKeys for DynamoOrders<Stock> {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        let key = keys::of_order(user_id, order_id);
        let found = consistent_get(&self.client, self.orders.as_str(), key).await?;
        Ok(found.map_or(Ok(AtKey::Absent), at_key)?)
    }
}
