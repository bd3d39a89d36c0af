use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

/// A product: `PRODUCT#<product_id>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProductRecord {
    pk: String,
    schema_version: u32,
    product_id: u64,
    name: String,
    unit_price: u64,
    /// How many units can still be reserved.
    stock: u32,
}

impl From<&Product> for ProductRecord {
    fn from(product: &Product) -> Self {
        Self {
            pk: keys::product(product.id),
            schema_version: SCHEMA_VERSION,
            product_id: product.id.get(),
            name: product.name.clone(),
            unit_price: product.unit_price.minor(),
            stock: product.stock,
        }
    }
}

impl ProductRecord {
    pub(crate) fn price(&self) -> Result<(ProductId, Money), CorruptRecord> {
        let id = ProductId::new(self.product_id).map_err(CorruptRecord::because)?;
        let price = Money::from_minor(self.unit_price)
            .ok_or_else(|| CorruptRecord::because("a product's price is out of range"))?;
        Ok((id, price))
    }

    pub(crate) fn product(self) -> Result<Product, CorruptRecord> {
        let (id, unit_price) = self.price()?;
        Ok(Product { id, name: self.name, unit_price, stock: self.stock })
    }

    pub(crate) const fn stock(&self) -> u32 {
        self.stock
    }
}
