//! Aggregates with their pending events, and events that were given up.
//!
//! An order, an account, a session and a request for a mail are each one item with their pending
//! events. Only the write that creates such an item is a put. Every later write is an update of
//! named attributes, so that it does not remove what newer code has added.
//!
//! - `store`, `change`: reads one aggregate, and writes a change as an update expression
//! - `index`: the aggregates that are due for the sweep
//! - `ages`, `pending`, `scan`: many aggregates at once, for the health check and for operators
//! - `dead_letters`: moves events to the dead letters and back, and reads and discards letters

mod ages;
pub(crate) mod change;
mod dead_letters;
mod index;
mod pending;
mod scan;
mod store;

use application::ports::Topic;
use aws_sdk_dynamodb::Client;
use domain::aggregate::AggregateKey;

use crate::config::{CatalogTable, OrdersTable, UsersTable};

pub use dead_letters::DynamoDeadLetters;
pub use pending::PendingAggregatesPosition;

/// Aggregates with their pending events: orders in one table, those of users in another.
/// Each port is in its own file, `MailTokens` in `users`, `Reservations` in `orders`, and needs
/// these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `PendingEventStore` | `GetItem`, `UpdateItem` |
/// | `MailTokens` | `UpdateItem` |
/// | `PendingEventIndex` | `Query` of the indexes `pending`, `UpdateItem` |
/// | `PendingEventAges`, `PendingAggregates` | `Query` of the indexes `pending` |
/// | `StoredAggregates` | `Scan` |
/// | `Reservations` | `UpdateItem` of orders and of the catalog |
///
/// `Stock` is the catalog if orders are reserved from it. Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoAggregates<Stock = ()> {
    pub(crate) client: Client,
    pub(crate) tables: AggregateTables,
    pub(crate) stock: Stock,
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

/// The tables that hold aggregates: orders in one, accounts, sessions and requests for mails in the
/// other.
#[derive(Debug, Clone)]
pub struct AggregateTables {
    pub(crate) orders: OrdersTable,
    pub(crate) users: UsersTable,
}

impl AggregateTables {
    /// The table that holds an aggregate.
    fn holding(&self, key: AggregateKey) -> &str {
        self.with_events_of(Topic::of_aggregate(key))
    }

    /// The table that holds the aggregates with the events of a topic.
    fn with_events_of(&self, topic: Topic) -> &str {
        match topic {
            Topic::Orders => self.orders.as_str(),
            Topic::Users => self.users.as_str(),
        }
    }
}
