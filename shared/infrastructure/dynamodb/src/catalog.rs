//! The products that are sold, with price and stock.
//!
//! - `prices`, `listing`: prices of some products, and all products page by page
//! - `cache`: remembers prices

mod cache;
mod listing;
mod prices;

use aws_sdk_dynamodb::Client;

use crate::config::CatalogTable;

pub use cache::CachedPrices;

/// Reads products. Each port is in its own file and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `Catalog` | `BatchGetItem` |
/// | `ProductListing` | `Scan` |
///
/// Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoCatalog {
    client: Client,
    table: CatalogTable,
}

impl DynamoCatalog {
    /// Prices and names are read from `table`.
    pub const fn new(client: Client, table: CatalogTable) -> Self {
        Self { client, table }
    }
}
