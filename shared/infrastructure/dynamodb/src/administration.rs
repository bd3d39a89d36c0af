//! What operators and demos put into the tables. Each may be repeated.

mod products;

use application::outcome::Failure;
use application::ports::VerificationKey;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::identity::TransactionId;
use domain::pending::PendingEvents;
use domain::user::Account;

use crate::config::{KeysTable, UsersTable};
use crate::error::{failure, incomplete};
use crate::expression::{names, values};
use crate::item::{number, to_item};
use crate::records::{EmailItem, NewAccountItem, VerificationKeyRecord};

pub use products::{AddedStock, add_stock, list_products, merge_product, put_products, set_price};

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
