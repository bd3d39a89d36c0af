//! Aggregates, each in one item with what is pending of it: orders, accounts and sessions.
//!
//! Only the creating write is a put. Every later write is an update of named attributes, so that
//! none takes away what newer code has put there. Every condition on an order but the put's, and every
//! reader of one, asks for the attempt and never for the key: where no order is, there may be a
//! tombstone.
//!
//! - `creation`, `fence`, `order_keys`: which attempts have created an order, and which never will
//! - `store`, `reservations`, `letters`: changes of an aggregate, alone and with what must change along
//! - `index`: what the sweep looks at
//! - `change`: a change as an expression

mod change;
mod creation;
mod fence;
mod index;
mod letters;
mod order_keys;
mod reservations;
mod store;

use application::ports::Topic;
use aws_sdk_dynamodb::Client;
use domain::aggregate::AggregateKey;

use crate::config::{CatalogTable, OrdersTable, UsersTable};

pub(crate) use index::{PENDING, due_aggregate};
pub use letters::DynamoDeadLetterMoves;
pub use reservations::DynamoStockReturns;
pub(crate) use store::read;

/// The keys of orders. Each port is in a file of its own, with the actions that it needs:
///
/// | port | actions |
/// | --- | --- |
/// | `OrderCreation` | `PutItem` |
/// | `OrderKeys`, `OrderReader` | `GetItem` |
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

/// Aggregates with what is pending of them: orders in one table, accounts and sessions in another.
/// Each port is in a file of its own, with the actions that it needs:
///
/// | port | actions |
/// | --- | --- |
/// | `PendingEventStore` | `GetItem`, `UpdateItem` |
/// | `PendingEventIndex` | `Query` of the indexes, `UpdateItem` |
/// | `Reservations` | `UpdateItem` of orders and of the catalog |
///
/// `Stock` is the catalog where products are taken out of it. Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoAggregates<Stock = ()> {
    client: Client,
    tables: AggregateTables,
    stock: Stock,
}

impl DynamoAggregates {
    /// Reads from and writes to these tables and their indexes.
    pub const fn new(client: Client, orders: OrdersTable, users: UsersTable) -> Self {
        Self { client, tables: AggregateTables { orders, users }, stock: () }
    }

    /// Takes products out of stock in this table as well.
    pub fn with_stock(self, catalog: CatalogTable) -> DynamoAggregates<CatalogTable> {
        DynamoAggregates { client: self.client, tables: self.tables, stock: catalog }
    }
}

/// The tables that hold aggregates.
#[derive(Debug, Clone)]
pub(crate) struct AggregateTables {
    pub(crate) orders: OrdersTable,
    pub(crate) users: UsersTable,
}

impl AggregateTables {
    /// Where an aggregate is.
    fn of(&self, key: AggregateKey) -> &str {
        self.with_events_of(Topic::of_aggregate(key))
    }

    /// Where the aggregates are that raise the events of a topic.
    pub(crate) fn with_events_of(&self, topic: Topic) -> &str {
        match topic {
            Topic::Orders => self.orders.as_str(),
            Topic::Users => self.users.as_str(),
        }
    }
}
