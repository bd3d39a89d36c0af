//! The prices of products.

use std::collections::HashMap;

use application::outcome::Failure;
use application::ports::Catalog;
use domain::identity::ProductId;
use domain::money::Money;

use super::MemoryTables;
use crate::fault::Operation;

impl Catalog for MemoryTables {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        self.read(Operation::Prices, |rows| {
            let sold = products.iter().filter_map(|id| rows.products.get(id));
            sold.map(|product| (product.id, product.unit_price)).collect()
        })
        .await
    }
}
