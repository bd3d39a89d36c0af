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

use crate::config::OrdersTable;

pub use reservations::DynamoStockReturns;

/// Creates, reads and fences orders. Each port is in its own file and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `OrderCreation` | `PutItem` |
/// | `OrderKeys`, `OrderReader` | `GetItem` |
/// | `OrderListing` | `Query` of the index `by_user`, `BatchGetItem` |
/// | `Fences` | `UpdateItem` |
///
/// Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoOrders {
    client: Client,
    orders: OrdersTable,
}

impl DynamoOrders {
    /// Reads from and writes to this table.
    pub const fn new(client: Client, orders: OrdersTable) -> Self {
        Self { client, orders }
    }
}
