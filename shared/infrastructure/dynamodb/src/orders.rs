//! Orders: created, read, listed and fenced, and reserved or given back together with the stock.
//!
//! Every condition on an order except the put's, and every reader of one, checks the attempt and
//! never the key, because there may be a tombstone at the key.
//!
//! - `creation`, `fence`: which attempts have created an order, and which never will
//! - `reader`, `listing`: one order, and a user's orders
//! - `reservations`: changes of orders, of the stock and of counts of open units in one write

mod creation;
mod fence;
mod listing;
mod reader;
mod reservations;

use aws_sdk_dynamodb::Client;

use crate::config::{CatalogTable, OrdersTable};

/// Creates, reads, lists and fences orders, and gives back their stock. Each port is in its own file
/// and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `OrderCreation` | `PutItem` |
/// | `OrderKeys` | `GetItem` |
/// | `OrderListing` | `Query` of the index `by_user`, `BatchGetItem` |
/// | `Fences` | `UpdateItem` |
/// | `StockReturns` | `UpdateItem` of orders and of the catalog |
///
/// `Stock` is the catalog if the stock of orders is given back to it. Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoOrders<Stock = ()> {
    client: Client,
    orders: OrdersTable,
    stock: Stock,
}

impl DynamoOrders {
    /// Reads from and writes to this table and its index `by_user`.
    pub const fn new(client: Client, orders: OrdersTable) -> Self {
        Self { client, orders, stock: () }
    }

    /// Also gives the stock of cancelled orders back to this table.
    pub fn with_stock(self, catalog: CatalogTable) -> DynamoOrders<CatalogTable> {
        DynamoOrders { client: self.client, orders: self.orders, stock: catalog }
    }
}
