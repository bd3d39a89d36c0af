//! Converts records to items and back.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use application::outcome::{Failure, FailureClass};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::records::SCHEMA_VERSION;

/// An item, or a part of one.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A stored record is not one that this code writes: something else wrote it, or the code has a
/// bug.
#[derive(Debug, thiserror::Error)]
#[error("a stored record is not valid: {0}")]
pub(crate) struct CorruptRecord(pub(crate) String);

impl CorruptRecord {
    /// An error for a record with this fault.
    pub(crate) fn because(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}

impl From<CorruptRecord> for Failure {
    fn from(corrupt: CorruptRecord) -> Self {
        Self::new(FailureClass::Permanent, corrupt)
    }
}

/// Converts a record to an item.
///
/// # Errors
///
/// [`Failure`] of class `Permanent` if the record can't be converted.
pub(crate) fn to_item(record: &impl Serialize) -> Result<Item, Failure> {
    let item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(record)
        .map_err(|error| Failure::new(FailureClass::Permanent, error))?;
    Ok(in_stable_order(item.into_iter().map(|(name, value)| (name, with_stable_order(value)))))
}

/// Converts an item to a record.
///
/// # Errors
///
/// [`CorruptRecord`] if the item can't be converted, or its schema version differs by more than 1
/// from this code's. During a deployment and after a rollback, the version before and the one after
/// are read as far as their fields allow.
pub(crate) fn from_item<Record: DeserializeOwned>(item: Item) -> Result<Record, CorruptRecord> {
    let version = item.get("schema_version").and_then(|version| version.as_n().ok());
    let version = version.and_then(|version| version.parse::<u32>().ok());
    if version.is_none_or(|version| version.abs_diff(SCHEMA_VERSION) > 1) {
        return Err(CorruptRecord(format!(
            "schema_version {version:?} is not {SCHEMA_VERSION} or next to it"
        )));
    }
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(CorruptRecord::because)
}

pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(crate) fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(crate) const fn truth(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

/// A map whose iteration order depends only on its content.
///
/// With it, every try of a write is the same request, byte for byte: whichever try lands, the same
/// item is stored, and a tool that compares requests sees only one. The SDK writes maps in
/// iteration order, which depends on the hasher, the capacity and the order of insertion. All three
/// are fixed here for the life of the process.
pub(crate) fn in_stable_order<Value>(
    pairs: impl IntoIterator<Item = (String, Value)>,
) -> HashMap<String, Value> {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let sorted: BTreeMap<String, Value> = pairs.into_iter().collect();
    let mut map = HashMap::with_capacity_and_hasher(sorted.len(), HASHER.clone());
    map.extend(sorted);
    map
}

fn with_stable_order(value: AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::M(map) => AttributeValue::M(in_stable_order(
            map.into_iter().map(|(name, value)| (name, with_stable_order(value))),
        )),
        AttributeValue::L(list) => {
            AttributeValue::L(list.into_iter().map(with_stable_order).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Record {
        schema_version: u32,
        lines: Vec<BTreeMap<String, u64>>,
        many: BTreeMap<String, u64>,
    }

    #[test]
    fn the_same_record_is_always_written_in_the_same_order() {
        let many: BTreeMap<String, u64> = (0..40).map(|n| (format!("name{n}"), n)).collect();
        let record = Record { schema_version: 1, lines: vec![many.clone(); 2], many };
        // `Debug` prints maps in iteration order, which is also the order in which the SDK writes
        // them.
        let first = format!("{:?}", to_item(&record).unwrap());
        for _ in 0..100 {
            assert_eq!(format!("{:?}", to_item(&record).unwrap()), first);
        }
    }

    #[test]
    fn a_record_is_read_if_its_schema_is_next_to_this_one() {
        for version in [SCHEMA_VERSION - 1, SCHEMA_VERSION, SCHEMA_VERSION + 1] {
            let item = in_stable_order([("schema_version".to_owned(), number(version))]);
            let record = from_item::<HashMap<String, u32>>(item).unwrap();
            assert_eq!(record.get("schema_version"), Some(&version));
        }
        for item in [
            in_stable_order([("schema_version".to_owned(), number(SCHEMA_VERSION + 2))]),
            Item::new(),
        ] {
            let error = from_item::<HashMap<String, u32>>(item).unwrap_err();
            assert!(error.to_string().contains("schema_version"), "{error}");
        }
    }
}
