//! HTTP bodies of products.

use serde::{Deserialize, Serialize};

/// A product as users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Product {
    /// The product's number: an integer from 0 to 2^53 - 1.
    pub product_id: u64,
    /// The name to show.
    pub name: String,
    /// The price of one item, in minor units.
    pub unit_price: u64,
    /// The ISO 4217 code of the price.
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
