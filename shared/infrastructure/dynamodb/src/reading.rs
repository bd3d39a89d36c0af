//! Consistent reads of one item, or of several by their keys.

use std::collections::HashMap;
use std::time::Duration;

use application::outcome::{Failure, FailureClass};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::de::DeserializeOwned;

use crate::error::{failure, incomplete};
use crate::item::{Item, from_item};

/// The record with this key, as of the last write.
///
/// # Errors
///
/// [`Failure`] if it could not be read, of class `Permanent` if the item is not such a record.
pub(crate) async fn get<Record: DeserializeOwned>(
    client: &Client,
    table: &str,
    key: Item,
) -> Result<Option<Record>, Failure> {
    let found = get_item(client, table, key).send().await.map_err(failure)?;
    Ok(found.item.map(from_item).transpose()?)
}

/// The item with this key, as of the last write, whatever its schema version.
///
/// # Errors
///
/// [`Failure`] if it could not be read.
pub(crate) async fn consistent_get(
    client: &Client,
    table: &str,
    key: Item,
) -> Result<Option<Item>, Failure> {
    let found = get_item(client, table, key).send().await.map_err(failure)?;
    Ok(found.item)
}

/// A consistent read. This is not an async function, because each further async function around the
/// SDK's futures uses up a part of the compiler's depth limit.
fn get_item(client: &Client, table: &str, key: Item) -> GetItemFluentBuilder {
    client.get_item().table_name(table).set_key(Some(key)).consistent_read(true)
}

/// The most keys of one call
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
pub(crate) const BATCH_MAX: usize = 100;

/// How many calls are made for the keys that earlier calls left out.
const ROUNDS_MAX: u32 = 4;

/// The pause before the next call for keys that were left out; it doubles with each round.
const ROUND_PAUSE: Duration = Duration::from_millis(25);

/// The items with at most [`BATCH_MAX`] different keys as of the last write, in no particular
/// order. A key without an item is skipped.
///
/// # Errors
///
/// [`Failure`] if not every key could be read, of class `Throttled` if the calls left some out.
pub(crate) async fn read_all(
    client: &Client,
    table: &str,
    keys: Vec<Item>,
) -> Result<Vec<Item>, Failure> {
    let mut found = Vec::with_capacity(keys.len());
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    let mut wanted = HashMap::from([(table.to_owned(), wanted.build().map_err(incomplete)?)]);
    for round in 0..ROUNDS_MAX {
        let call = client.batch_get_item().set_request_items(Some(wanted));
        let answer = call.send().await.map_err(failure)?;
        found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
        wanted = answer.unprocessed_keys.unwrap_or_default();
        if wanted.is_empty() {
            return Ok(found);
        }
        tokio::time::sleep(ROUND_PAUSE * 2_u32.pow(round)).await;
    }
    Err(Failure::new(FailureClass::Throttled, "some items were not read"))
}
