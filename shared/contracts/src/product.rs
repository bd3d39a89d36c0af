//! HTTP bodies of products.

use serde::{Deserialize, Serialize};

/// A product as customers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Product {
    /// An integer up to 2^53 - 1.
    pub product_id: u64,
    /// What it is called.
    pub name: String,
    /// In minor units.
    pub unit_price: u64,
    /// ISO 4217.
    pub currency: String,
    /// Whether any is in stock. It can be sold out by the time an order reserves it.
    pub available: bool,
}

/// `GET /v1/products`: a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductPage {
    /// At most `limit` products; each is on one page alone.
    pub products: Vec<Product>,
    /// The `cursor` of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
