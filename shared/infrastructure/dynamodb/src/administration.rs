//! Writes of operators and demos. Each may be repeated.

mod products;

use application::outcome::Failure;
use application::ports::VerificationKey;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::account::Account;
use domain::identity::TransactionId;
use domain::pending::PendingEvents;

use crate::config::{KeysTable, UsersTable};
use crate::error::{failure, incomplete};
use crate::expression::{names, values};
use crate::item::{number, to_item};
use crate::records::{EmailItem, NewAccountItem, VerificationKeyRecord};
use crate::users::FREE_OR_SAME_USER;

pub use products::{
    AddedStock, add_stock, list_products, put_product_keeping_stock, put_products, set_price,
};

/// Puts an account and its address, as `attempt` of the caller. It overwrites the account, which
/// then has no pending events. A previous address of the account remains assigned to it.
///
/// # Errors
///
/// [`Failure`] if it was not put, of class `Conflict` if the address belongs to another account.
pub async fn put_account(
    client: &Client,
    table: &UsersTable,
    account: &Account,
    attempt: TransactionId,
) -> Result<(), Failure> {
    let email = Put::builder()
        .table_name(table.as_str())
        .set_item(Some(to_item(&EmailItem::from(account))?))
        .condition_expression(FREE_OR_SAME_USER)
        .set_expression_attribute_names(names(&[FREE_OR_SAME_USER]))
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

/// Puts a public key. It overwrites a key with the same name.
///
/// # Errors
///
/// [`Failure`] if it was not put.
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
