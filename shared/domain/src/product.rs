//! The products that are sold.

use crate::identity::ProductId;
use crate::money::Money;

/// A product of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The product's identifier.
    pub id: ProductId,
    /// The name that customers see.
    pub name: String,
    /// The price of one item today. An order keeps the price at which it was created.
    pub unit_price: Money,
    /// How many items can still be reserved.
    pub stock: u32,
}
