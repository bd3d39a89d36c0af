//! Orders as users read them, and prices.

use std::collections::HashMap;

use application::outcome::Failure;
use application::ports::{Catalog, OrderReader};
use domain::identity::{OrderId, ProductId, UserId};
use domain::money::Money;
use domain::order::Order;

use super::MemoryTables;
use super::aggregates::Item;
use crate::fault::Operation;

impl OrderReader for MemoryTables {
    async fn find(&self, user_id: UserId, order_id: OrderId) -> Result<Option<Order>, Failure> {
        self.read(Operation::Find, |rows| match rows.items.get(&(user_id, order_id)) {
            Some(Item::Order { stored, .. }) => Some(stored.order.clone()),
            Some(Item::Tombstone { .. }) | None => None,
        })
        .await
    }
}

impl Catalog for MemoryTables {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        self.read(Operation::Prices, |rows| {
            let sold = products.iter().filter_map(|id| rows.products.get(id));
            sold.map(|product| (product.id, product.unit_price)).collect()
        })
        .await
    }
}
