//! Writes and lists products with their prices and stock.

use std::collections::HashMap;
use std::time::Duration;

use application::outcome::{Failure, FailureClass};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;

use crate::config::CatalogTable;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::{FailedWrite, classify, condition_held, failure, incomplete};
use crate::expression::{ABSENT, Change, ItemUpdate, names};
use crate::item::{Item, from_item, number, text, to_item};
use crate::keys;
use crate::records::ProductRecord;

/// The most items of one call
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const BATCH_MAX: usize = 25;

/// How often a call is made that has certainly done nothing, or that may be made twice.
const TRIES_MAX: u32 = 8;

/// The pause before a call is made again; it doubles with each.
const PAUSE: Duration = Duration::from_millis(50);

const EXISTS: &str = "attribute_exists(#pk)";

/// Puts products into the catalog. An existing product is overwritten: its name, its price **and
/// its stock**, whatever was reserved of it in the meantime.
///
/// # Errors
///
/// [`Failure`] if not all products were put. Some of them may have been put.
pub async fn put_products(
    client: &Client,
    table: &CatalogTable,
    products: &[Product],
) -> Result<(), Failure> {
    for batch in products.chunks(BATCH_MAX) {
        let mut puts = Vec::with_capacity(batch.len());
        for product in batch {
            let item = to_item(&ProductRecord::from(product))?;
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(incomplete)?;
            puts.push(WriteRequest::builder().put_request(put).build());
        }
        put_all(client, HashMap::from([(table.name().to_string(), puts)])).await?;
    }
    Ok(())
}

async fn put_all(
    client: &Client,
    mut unwritten: HashMap<String, Vec<WriteRequest>>,
) -> Result<(), Failure> {
    for tried in 0..TRIES_MAX {
        let call = client.batch_write_item().set_request_items(Some(unwritten));
        unwritten = call.send().await.map_err(failure)?.unprocessed_items.unwrap_or_default();
        if unwritten.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(tried)).await;
    }
    Err(Failure::new(FailureClass::Throttled, "some products were not written"))
}

/// Puts a product into the catalog, or gives an existing one the new name and price. The stock of
/// an existing product does not change. The call may be repeated. Returns whether the product was
/// new.
///
/// # Errors
///
/// [`Failure`] if the product was not written, or it is not known whether it was.
pub async fn put_product_keeping_stock(
    client: &Client,
    table: &CatalogTable,
    product: &Product,
) -> Result<bool, Failure> {
    let put = client
        .put_item()
        .table_name(table.name().as_str())
        .set_item(Some(to_item(&ProductRecord::from(product))?))
        .condition_expression(ABSENT)
        .set_expression_attribute_names(names(&[ABSENT]));
    if condition_held(put.send().await).map_err(failure)? {
        return Ok(true);
    }
    let update = || Change {
        key: keys::simple(keys::product(product.id)),
        update: "SET #name = :name, #unit_price = :price",
        condition: EXISTS,
        values: vec![
            (":name", text(product.name.clone())),
            (":price", number(product.unit_price.minor())),
        ],
    };
    match repeatedly(client, table, update).await? {
        Updated::Done(_) => Ok(false),
        Updated::ConditionFailed(_) => {
            Err(Failure::new(FailureClass::Conflict, "the product was deleted during the change"))
        }
    }
}

/// Sets the price of a product. The call may be repeated. Orders keep the price at which they were
/// created, and create-order remembers a price for a minute. Returns whether the product exists.
///
/// # Errors
///
/// [`Failure`] if the price was not changed, or it is not known whether it was.
pub async fn set_price(
    client: &Client,
    table: &CatalogTable,
    product_id: ProductId,
    price: Money,
) -> Result<bool, Failure> {
    let update = || Change {
        key: keys::simple(keys::product(product_id)),
        update: "SET #unit_price = :price",
        condition: EXISTS,
        values: vec![(":price", number(price.minor()))],
    };
    Ok(matches!(repeatedly(client, table, update).await?, Updated::Done(_)))
}

/// The outcome of adding units to a product's stock.
#[derive(Debug)]
pub enum AddedStock {
    /// The units were added. This is the new stock.
    Added(u32),
    /// Nothing was added: the catalog has no such product.
    NoProduct,
    /// Nothing was added: with this stock, the units would be more than [`u32::MAX`].
    TooMany(u32),
    /// The units may have been added or not. A second call could add them twice.
    Unknown(Failure),
}

/// Adds units to a product's stock, whatever is reserved at the same time. A call with an unknown
/// outcome is not repeated.
///
/// # Errors
///
/// [`Failure`] if the units were not added.
pub async fn add_stock(
    client: &Client,
    table: &CatalogTable,
    product_id: ProductId,
    units: u32,
) -> Result<AddedStock, Failure> {
    let mut tries = Tries::default();
    loop {
        let update = Change {
            key: keys::simple(keys::product(product_id)),
            update: "SET #stock = #stock + :units",
            condition: "#stock <= :room",
            values: vec![(":units", number(units)), (":room", number(u32::MAX - units))],
        };
        match update_once(client, table, update).await {
            Ok(Updated::Done(product)) => return Ok(AddedStock::Added(stock_of(product)?)),
            Ok(Updated::ConditionFailed(None)) => return Ok(AddedStock::NoProduct),
            Ok(Updated::ConditionFailed(Some(product))) => {
                return Ok(AddedStock::TooMany(stock_of(product)?));
            }
            Err((cause, FailedWrite::Unknown)) => return Ok(AddedStock::Unknown(cause)),
            Err((cause, FailedWrite::NotStored)) => tries.pause_after(cause).await?,
        }
    }
}

fn stock_of(product: Item) -> Result<u32, Failure> {
    Ok(from_item::<ProductRecord>(product)?.stock())
}

enum Updated {
    /// The update is stored. This is the new item.
    Done(Item),
    /// The update is not stored. This is the item that was found.
    ConditionFailed(Option<Item>),
}

async fn update_once(
    client: &Client,
    table: &CatalogTable,
    update: Change,
) -> Result<Updated, (Failure, FailedWrite)> {
    let call = ItemUpdate::from(update)
        .on(client.update_item().table_name(table.name().as_str()))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match call.customize().config_override(one_try(TRY_LIMIT)).send().await {
        Ok(updated) => Ok(Updated::Done(updated.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Updated::ConditionFailed(failed.item.clone()))
            }
            _ => {
                let (class, write) = classify(&error);
                Err((Failure::new(class, error), write))
            }
        },
    }
}

/// Makes an update that may be made twice, with several tries.
async fn repeatedly(
    client: &Client,
    table: &CatalogTable,
    update: impl Fn() -> Change,
) -> Result<Updated, Failure> {
    let mut tries = Tries::default();
    loop {
        match update_once(client, table, update()).await {
            Ok(updated) => return Ok(updated),
            Err((cause, _)) => tries.pause_after(cause).await?,
        }
    }
}

#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Waits before the next try, or returns the cause if there must be none.
    async fn pause_after(&mut self, cause: Failure) -> Result<(), Failure> {
        let pause = PAUSE * 2_u32.pow(self.0);
        self.0 += 1;
        if matches!(cause.class, FailureClass::Permanent) || self.0 >= TRIES_MAX {
            return Err(cause);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// All products, in no particular order.
///
/// # Errors
///
/// [`Failure`] if not all of them could be read.
pub async fn list_products(client: &Client, table: &CatalogTable) -> Result<Vec<Product>, Failure> {
    let mut products = Vec::new();
    let mut start = None;
    loop {
        let scan = client.scan().table_name(table.name().as_str()).consistent_read(true);
        let page = scan.set_exclusive_start_key(start).send().await.map_err(failure)?;
        for item in page.items.unwrap_or_default() {
            products.push(from_item::<ProductRecord>(item)?.product()?);
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(products);
        }
    }
}
