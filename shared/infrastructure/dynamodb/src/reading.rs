//! Reads of one item.

use application::outcome::Failure;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use serde::de::DeserializeOwned;

use crate::error::failure;
use crate::item::{Item, from_item};

/// The record of that key, as of the last write.
///
/// # Errors
///
/// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is no such record.
pub(crate) async fn get<T: DeserializeOwned>(
    client: &Client,
    table: &str,
    key: Item,
) -> Result<Option<T>, Failure> {
    let found = get_item(client, table, key).send().await.map_err(failure)?;
    Ok(found.item.map(from_item).transpose()?)
}

/// What is at that key, as of the last write, in whatever version it is stored.
///
/// # Errors
///
/// [`Failure`] if it couldn't be read.
pub(crate) async fn consistent_get(
    client: &Client,
    table: &str,
    key: Item,
) -> Result<Option<Item>, Failure> {
    let found = get_item(client, table, key).send().await.map_err(failure)?;
    Ok(found.item)
}

/// A consistent read. It is no async function, because each one more around the SDK's futures costs
/// the functions a part of the compiler's depth limit.
fn get_item(client: &Client, table: &str, key: Item) -> GetItemFluentBuilder {
    client.get_item().table_name(table).set_key(Some(key)).consistent_read(true)
}
