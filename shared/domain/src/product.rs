//! The products that are sold.

use crate::identity::ProductId;
use crate::money::Money;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    /// The price of one item today. An order keeps the price at which it was created.
    pub unit_price: Money,
    /// How many items can still be reserved.
    pub stock: u32,
}
