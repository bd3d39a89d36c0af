//! Whether the tables can be read.

use application::outcome::Failure;
use application::ports::Tables;
use aws_sdk_dynamodb::Client;
use futures::future::try_join_all;

use crate::config::{
    CatalogTable, DeadLettersTable, KeysTable, OrdersTable, TableName, UsersTable,
};
use crate::error::failure;
use crate::item::{Item, in_stable_order, text};

/// A table, and whether its key has a sort key.
#[derive(Debug, Clone)]
pub struct ProbedTable {
    name: TableName,
    has_sort_key: bool,
}

impl ProbedTable {
    /// A key without an item: only the success of the read counts.
    fn key(&self) -> Item {
        let parts = if self.has_sort_key { ["pk", "sk"].as_slice() } else { &["pk"] };
        in_stable_order(parts.iter().map(|part| ((*part).to_owned(), text("PROBE"))))
    }
}

macro_rules! probed {
    ($table:ident, $has_sort_key:literal) => {
        impl From<$table> for ProbedTable {
            fn from(table: $table) -> Self {
                Self { name: table.name().clone(), has_sort_key: $has_sort_key }
            }
        }
    };
}

probed!(OrdersTable, true);
probed!(DeadLettersTable, false);
probed!(UsersTable, true);
probed!(CatalogTable, false);
probed!(KeysTable, false);

/// Reads one item from each table, all at once.
#[derive(Debug, Clone)]
pub struct DynamoTables {
    client: Client,
    tables: Vec<ProbedTable>,
}

impl DynamoTables {
    /// Makes no call yet.
    pub fn new(client: Client, tables: impl IntoIterator<Item = ProbedTable>) -> Self {
        Self { client, tables: tables.into_iter().collect() }
    }

    async fn probe(&self, table: &ProbedTable) -> Result<(), Failure> {
        let read = self
            .client
            .get_item()
            .table_name(table.name.as_str())
            .set_key(Some(table.key()))
            .consistent_read(true)
            .send()
            .await;
        read.map(drop).map_err(failure)
    }
}

impl Tables for DynamoTables {
    async fn readable(&self) -> Result<(), Failure> {
        try_join_all(self.tables.iter().map(|table| self.probe(table))).await.map(drop)
    }
}
