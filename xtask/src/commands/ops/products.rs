//! `cargo xtask ops products`

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use dynamodb::administration::put_products;
use dynamodb::config::{CatalogTable, TableName};

use super::target::DynamodbOptions;
use crate::commands::up::STACK_NAME;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Puts products into the catalog. One that is there already is overwritten: its name, its
    /// price and its stock, whatever has been sold of it since.
    Import {
        /// A JSON array of objects with `product_id`, `name`, `unit_price` (in minor units) and
        /// `stock`.
        file: PathBuf,
        #[command(flatten)]
        dynamodb: DynamodbOptions,
        /// The catalog's table; by default that of `cargo xtask up`.
        #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-CatalogTable"))]
        catalog_table: String,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Import { file, dynamodb, catalog_table } = command;
    let json = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let products = harness::products::parse(&json)
        .with_context(|| format!("{} holds no products", file.display()))?;
    let name = TableName::parse(&catalog_table).context("--catalog-table")?;
    let client = dynamodb.connect().await;
    put_products(&client, &CatalogTable::named(name), &products)
        .await
        .with_context(|| format!("not every product could be put into {catalog_table}"))?;
    println!("{} products are in {catalog_table}", products.len());
    Ok(())
}
