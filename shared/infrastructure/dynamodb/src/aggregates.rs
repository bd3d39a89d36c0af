//! Orders, accounts, sessions and requests for mails, each in one item with its pending events.
//!
//! Only the write that creates an aggregate is a put. Every later write is an update of named
//! attributes, so that it does not remove what newer code has added. Every condition on an order
//! except the put's, and every reader of one, checks the attempt and never the key, because there
//! may be a tombstone at the key.
//!
//! - `creation`, `fence`, `order_keys`: which attempts have created an order, and which never will
//! - `store`, `reservations`, `letters`, `mail_tokens`: changes of an aggregate, alone or with more
//! - `index`: the index that the sweep reads
//! - `change`: a change as an update expression

mod change;
mod creation;
mod fence;
mod index;
mod letters;
mod mail_tokens;
mod order_keys;
mod order_listing;
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

/// Aggregates with their pending events: orders in one table, those of users in another.
/// Each port is in its own file and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `PendingEventStore` | `GetItem`, `UpdateItem` |
/// | `MailTokens` | `UpdateItem` |
/// | `PendingEventIndex` | `Query` of the indexes, `UpdateItem` |
/// | `Reservations` | `UpdateItem` of orders and of the catalog |
///
/// `Stock` is the catalog if orders are reserved from it. Clones share the client.
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

    /// Also reserves products from the stock in this table.
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
    /// The table that holds an aggregate.
    fn holding(&self, key: AggregateKey) -> &str {
        self.with_events_of(Topic::of_aggregate(key))
    }

    /// The table that holds the aggregates with the events of a topic.
    pub(crate) fn with_events_of(&self, topic: Topic) -> &str {
        match topic {
            Topic::Orders => self.orders.as_str(),
            Topic::Users => self.users.as_str(),
        }
    }
}
