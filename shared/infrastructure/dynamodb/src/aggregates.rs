//! Orders, each in one item with what is pending of it.
//!
//! Only the creating write is a put. Every later write is an update of named attributes, so that
//! none takes away what newer code has put there. Every condition but the put's, and every reader,
//! asks for the attempt and never for the key: where no order is, there may be a tombstone.
//!
//! - `creation`, `fence`, `order_keys`: which attempts have created an order, and which never will
//! - `store`, `reservations`, `letters`: changes of an order, alone and with what must change along
//! - `index`, `claims`: what the sweep looks at
//! - `change`: a change as an expression

mod change;
mod claims;
mod creation;
mod fence;
mod index;
mod letters;
mod order_keys;
mod reservations;
mod store;

use aws_sdk_dynamodb::Client;

use crate::config::{CatalogTable, OrdersTable};

pub use letters::DynamoDeadLetterMoves;

/// The orders table. Each port is in a file of its own, with the actions that it needs:
///
/// | port | actions |
/// | --- | --- |
/// | `OrderCreation` | `PutItem` |
/// | `OrderKeys` | `GetItem` |
/// | `Fences`, `Claims` | `UpdateItem` |
/// | `PendingEventStore` | `GetItem`, `UpdateItem` |
/// | `PendingEventIndex` | `Query` of the index |
/// | `Reservations` | `UpdateItem`, and of the catalog, too |
///
/// It holds orders alone: another aggregate's key is a failure of class `Permanent`, because what
/// is not here may be elsewhere. `Stock` is the catalog where products are taken out of it. Clones
/// share the client.
#[derive(Debug, Clone)]
pub struct DynamoOrders<Stock = ()> {
    client: Client,
    orders: OrdersTable,
    stock: Stock,
}

impl DynamoOrders {
    /// Reads from and writes to this table and its index.
    pub const fn new(client: Client, orders: OrdersTable) -> Self {
        Self { client, orders, stock: () }
    }

    /// Takes products out of stock in this table as well.
    pub fn with_stock(self, catalog: CatalogTable) -> DynamoOrders<CatalogTable> {
        DynamoOrders { client: self.client, orders: self.orders, stock: catalog }
    }
}
