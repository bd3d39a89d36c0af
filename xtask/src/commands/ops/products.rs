//! `cargo xtask ops products`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use dynamodb::Client;
use dynamodb::administration::{
    AddedStock, add_stock, list_products, put_product_keeping_stock, put_products, set_price,
};
use dynamodb::config::{CatalogTable, TableName};
use serde_json::json;

use super::UNCONFIRMED;
use super::printing::{print_table, printable};
use super::target::DynamodbOptions;
use crate::commands::up::STACK_NAME;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the products with their prices and stocks.
    List {
        #[command(flatten)]
        catalog: CatalogOptions,
        /// Prints one JSON array, which `import` can read.
        #[arg(long)]
        json: bool,
    },
    /// Imports products into the catalog. An existing product gets its name and price from the
    /// file, but keeps its stock, because orders have reserved some of it.
    Import {
        /// A JSON array of objects with `product_id`, `name`, `unit_price` (in minor units) and
        /// `stock`.
        file: PathBuf,
        #[command(flatten)]
        catalog: CatalogOptions,
        /// Overwrite the stock too, even if some of it was sold since: only while no orders are
        /// created.
        #[arg(long)]
        overwrite_stock: bool,
        /// Confirms --overwrite-stock.
        #[arg(long, requires = "overwrite_stock")]
        yes: bool,
    },
    /// Changes the price of a product. Orders keep the price at which they were created; for up to
    /// a minute, new orders may still get the old price.
    SetPrice {
        /// The product's `product_id`.
        product_id: u64,
        /// In minor units, such as cents.
        unit_price: u64,
        #[command(flatten)]
        catalog: CatalogOptions,
    },
    /// Adds units to the stock of a product, also while orders reserve some of it.
    AddStock {
        /// The product's `product_id`.
        product_id: u64,
        /// The number of units.
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        units: u32,
        #[command(flatten)]
        catalog: CatalogOptions,
    },
}

/// The catalog's table and endpoint.
#[derive(Args)]
pub(crate) struct CatalogOptions {
    #[command(flatten)]
    dynamodb: DynamodbOptions,
    /// The catalog's table; by default that of `cargo xtask up`.
    #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-CatalogTable"))]
    catalog_table: String,
}

struct Catalog {
    client: Client,
    table: CatalogTable,
}

impl CatalogOptions {
    async fn open(&self) -> anyhow::Result<Catalog> {
        let name = TableName::parse(&self.catalog_table).context("--catalog-table")?;
        let client = self.dynamodb.connect().await;
        Ok(Catalog { client, table: CatalogTable::named(name) })
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { catalog, json } => list(&catalog.open().await?, json).await,
        Command::Import { file, catalog, overwrite_stock, yes } => {
            let json = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let products = harness::products::parse(&json)
                .with_context(|| format!("{} is not a list of products", file.display()))?;
            if overwrite_stock && !yes {
                let count = products.len();
                eprintln!(
                    "this overwrites the stock of {count} products, whatever was reserved of them; \
                     add --yes to do it"
                );
                return Ok(ExitCode::from(UNCONFIRMED));
            }
            import(&catalog.open().await?, &products, overwrite_stock).await
        }
        Command::SetPrice { product_id, unit_price, catalog } => {
            let product_id = ProductId::new(product_id)?;
            let price = Money::from_minor(unit_price).context("the price is out of range")?;
            change_price(&catalog.open().await?, product_id, price).await
        }
        Command::AddStock { product_id, units, catalog } => {
            add(&catalog.open().await?, ProductId::new(product_id)?, units).await
        }
    }
}

async fn list(catalog: &Catalog, json: bool) -> anyhow::Result<ExitCode> {
    let mut products = list_products(&catalog.client, &catalog.table)
        .await
        .with_context(|| format!("cannot read {}", catalog.table.name()))?;
    products.sort_by_key(|product| product.id);
    if json {
        let objects: Vec<_> = products.iter().map(object).collect();
        println!("{}", serde_json::to_string_pretty(&objects)?);
        return Ok(ExitCode::SUCCESS);
    }
    let row = |product: &Product| {
        [
            product.id.to_string(),
            product.unit_price.minor().to_string(),
            product.stock.to_string(),
            printable(&product.name),
        ]
    };
    let rows = products.iter().map(row).collect();
    print_table(["PRODUCT", "UNIT PRICE", "STOCK", "NAME"], rows);
    Ok(ExitCode::SUCCESS)
}

fn object(product: &Product) -> serde_json::Value {
    json!({
        "product_id": product.id.get(),
        "name": product.name,
        "unit_price": product.unit_price.minor(),
        "stock": product.stock,
    })
}

async fn import(
    catalog: &Catalog,
    products: &[Product],
    overwrite_stock: bool,
) -> anyhow::Result<ExitCode> {
    let Catalog { client, table } = catalog;
    let name = table.name();
    if overwrite_stock {
        put_products(client, table, products)
            .await
            .with_context(|| format!("some products could not be imported into {name}"))?;
        println!("{} products are in {name}, with the stock of the file", products.len());
        return Ok(ExitCode::SUCCESS);
    }
    let mut new = 0;
    for product in products {
        let id = product.id;
        let put = put_product_keeping_stock(client, table, product).await.with_context(|| {
            format!("product {id} was not imported into {name}; those before it were; run it again")
        })?;
        new += usize::from(put);
    }
    let known = products.len() - new;
    println!("{new} products are new in {name}; {known} existed and keep their stock");
    Ok(ExitCode::SUCCESS)
}

async fn change_price(
    catalog: &Catalog,
    product_id: ProductId,
    price: Money,
) -> anyhow::Result<ExitCode> {
    let changed = set_price(&catalog.client, &catalog.table, product_id, price)
        .await
        .context("the price was perhaps not changed; run the command again")?;
    anyhow::ensure!(changed, "{} has no product {product_id}", catalog.table.name());
    println!("product {product_id} now costs {}; all functions use it in a minute", price.minor());
    Ok(ExitCode::SUCCESS)
}

async fn add(catalog: &Catalog, product_id: ProductId, units: u32) -> anyhow::Result<ExitCode> {
    let name = catalog.table.name();
    let added = add_stock(&catalog.client, &catalog.table, product_id, units)
        .await
        .with_context(|| format!("nothing was added to the stock of product {product_id}"))?;
    match added {
        AddedStock::Added(stock) => {
            println!("{units} units were added to product {product_id}; it has {stock} now");
            Ok(ExitCode::SUCCESS)
        }
        AddedStock::NoProduct => anyhow::bail!("{name} has no product {product_id}"),
        AddedStock::TooMany(stock) => anyhow::bail!(
            "product {product_id} has {stock} units, and a stock is at most {} units",
            u32::MAX
        ),
        AddedStock::Unknown(cause) => Err(anyhow::Error::new(cause).context(format!(
            "it is unknown whether {units} units were added to product {product_id}; look at its \
             stock with `ops products list` before you run it again"
        ))),
    }
}
