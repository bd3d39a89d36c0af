//! What operators and demos put into the tables. Each may be repeated.

use application::outcome::{Failure, FailureClass};
use application::ports::VerificationKey;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, PutRequest, TransactWriteItem, WriteRequest};
use domain::identity::TransactionId;
use domain::pending::PendingEvents;
use domain::product::Product;
use domain::user::Account;
use std::collections::HashMap;
use std::time::Duration;

use crate::config::{CatalogTable, KeysTable, UsersTable};
use crate::error::{failure, incomplete};
use crate::expression::{names, values};
use crate::item::{number, to_item};
use crate::records::{EmailItem, NewAccountItem, ProductRecord, VerificationKeyRecord};

/// The most items of one call
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const BATCH_MAX: usize = 25;

/// How often what a call left out is written.
const ROUNDS_MAX: u32 = 8;

/// The pause before what a call left out is written again; it doubles with each round.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// Puts products into the catalog. A product that is there already is overwritten: its name, its
/// price **and its stock**, whatever has been reserved of it in the meantime.
///
/// # Errors
///
/// [`Failure`] if not all of them were put; those before it may have been.
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
    for round in 0..ROUNDS_MAX {
        let call = client.batch_write_item().set_request_items(Some(unwritten));
        unwritten = call.send().await.map_err(failure)?.unprocessed_items.unwrap_or_default();
        if unwritten.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(ROUND_PAUSE * 2_u32.pow(round)).await;
    }
    Err(Failure::new(FailureClass::Throttled, "products were left unwritten"))
}

/// Puts an account and its address as an attempt of the caller's, overwriting the account; nothing is
/// pending of it then. An address that the account had before stays its own.
///
/// # Errors
///
/// [`Failure`] if it wasn't put, of class `Conflict` if the address is another account's.
pub async fn put_account(
    client: &Client,
    table: &UsersTable,
    account: &Account,
    attempt: TransactionId,
) -> Result<(), Failure> {
    const OWN: &str = "attribute_not_exists(#pk) OR #user_id = :user_id";
    let email = Put::builder()
        .table_name(table.as_str())
        .set_item(Some(to_item(&EmailItem::from(account))?))
        .condition_expression(OWN)
        .set_expression_attribute_names(names(&[OWN]))
        .set_expression_attribute_values(values(vec![(
            ":user_id",
            number(account.user_id().get()),
        )]))
        .build()
        .map_err(incomplete)?;
    let user = Put::builder()
        .table_name(table.as_str())
        .set_item(Some(to_item(&NewAccountItem::new(account, attempt, &PendingEvents::default()))?))
        .build()
        .map_err(incomplete)?;
    client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(email).build())
        .transact_items(TransactWriteItem::builder().put(user).build())
        .send()
        .await
        .map(drop)
        .map_err(failure)
}

/// Puts a public key, overwriting one of its name.
///
/// # Errors
///
/// [`Failure`] if it wasn't put.
pub async fn put_verification_key(
    client: &Client,
    table: &KeysTable,
    key: &VerificationKey,
) -> Result<(), Failure> {
    client
        .put_item()
        .table_name(table.as_str())
        .set_item(Some(to_item(&VerificationKeyRecord::from(key))?))
        .send()
        .await
        .map(drop)
        .map_err(failure)
}
