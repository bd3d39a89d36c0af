//! Reads of one item.

use application::outcome::Failure;
use aws_sdk_dynamodb::Client;
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
    Ok(consistent_get(client, table, key).await?.map(from_item).transpose()?)
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
    let found = client
        .get_item()
        .table_name(table)
        .set_key(Some(key))
        .consistent_read(true)
        .send()
        .await
        .map_err(failure)?;
    Ok(found.item)
}
