//! What is sold.

use crate::identity::ProductId;
use crate::money::Money;

/// A product of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Which one.
    pub id: ProductId,
    /// What it is called.
    pub name: String,
    /// What one costs today. An order keeps the price at which it was taken.
    pub unit_price: Money,
    /// How many can still be promised.
    pub stock: u32,
}
