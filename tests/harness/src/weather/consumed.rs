//! `ConsumedCapacity`: requested with every call, read, and removed from the answer again.

use dynoxide::types::{item_size, write_capacity_units};
use serde_json::Value;

use super::partitions::Axis;

/// The value of `ReturnConsumedCapacity` in the caller's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    Total,
    Indexes,
    /// DynamoDB does not know it; the table refuses it.
    Unknown,
}

#[derive(Debug, PartialEq)]
pub(super) struct TableUse {
    pub(super) table: String,
    pub(super) axis: Axis,
    pub(super) table_units: f64,
    pub(super) local_indexes: Vec<(String, f64)>,
    pub(super) global_indexes: Vec<(String, f64)>,
}

/// Makes the request ask for the units of the table and of each index. Returns what the caller
/// wanted.
pub(super) fn ask(request: &mut Value) -> Wanted {
    let wanted = match request.get("ReturnConsumedCapacity") {
        None => Wanted::Nothing,
        Some(mode) => match mode.as_str() {
            Some("NONE") => Wanted::Nothing,
            Some("TOTAL") => Wanted::Total,
            Some("INDEXES") => Wanted::Indexes,
            _ => Wanted::Unknown,
        },
    };
    if wanted != Wanted::Unknown
        && let Some(members) = request.as_object_mut()
    {
        members.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
    }
    wanted
}

pub(super) fn read(answer: &Value, axis: Axis) -> Vec<TableUse> {
    entries(answer).filter_map(|entry| table_use(entry, axis)).collect()
}

/// Removes whatever the caller did not want from an answer. Returns whether anything was removed.
pub(super) fn strip(answer: &mut Value, wanted: Wanted) -> bool {
    let Some(members) = answer.as_object_mut() else { return false };
    match wanted {
        Wanted::Nothing => members.remove("ConsumedCapacity").is_some(),
        Wanted::Indexes | Wanted::Unknown => false,
        Wanted::Total => {
            let Some(consumed) = members.get_mut("ConsumedCapacity") else { return false };
            let entries = match consumed {
                Value::Array(entries) => entries.as_mut_slice(),
                entry => std::slice::from_mut(entry),
            };
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                for detail in ["Table", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
                    entry.remove(detail);
                }
            }
            true
        }
    }
}

/// The write units of a failed condition on a stored item; 1 if the item does not exist.
pub(super) fn units_of(stored: Option<&Value>) -> f64 {
    let item = stored.and_then(|item| serde_json::from_value(item.clone()).ok());
    write_capacity_units(item.map_or(0, |item| item_size(&item)))
}

/// The entries of an answer: a single one, or one for each table.
fn entries(answer: &Value) -> impl Iterator<Item = &Value> {
    let consumed = answer.get("ConsumedCapacity");
    let (one, many) = match consumed {
        Some(Value::Array(entries)) => (None, entries.as_slice()),
        other => (other, [].as_slice()),
    };
    one.into_iter().chain(many)
}

fn table_use(entry: &Value, axis: Axis) -> Option<TableUse> {
    // A transaction that was already done under the same token costs read units.
    let replayed = axis == Axis::Write && entry.get("ReadCapacityUnits").is_some();
    Some(TableUse {
        table: entry.get("TableName")?.as_str()?.to_owned(),
        axis: if replayed { Axis::Read } else { axis },
        table_units: units(entry.get("Table")?),
        local_indexes: by_index(entry, "LocalSecondaryIndexes"),
        global_indexes: by_index(entry, "GlobalSecondaryIndexes"),
    })
}

fn by_index(entry: &Value, kind: &str) -> Vec<(String, f64)> {
    let indexes = entry.get(kind).and_then(Value::as_object);
    indexes.into_iter().flatten().map(|(name, detail)| (name.clone(), units(detail))).collect()
}

fn units(detail: &Value) -> f64 {
    detail.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::partitions::Axis;
    use super::{Wanted, ask, read, strip, units_of};

    fn answer() -> Value {
        json!({"ConsumedCapacity": [{
            "TableName": "orders", "CapacityUnits": 3.0, "WriteCapacityUnits": 3.0,
            "Table": {"CapacityUnits": 2.0},
            "GlobalSecondaryIndexes": {"pending": {"CapacityUnits": 1.0}},
        }]})
    }

    #[test]
    fn a_caller_gets_only_the_capacity_that_it_asked_for() {
        for (mode, wanted) in [("NONE", Wanted::Nothing), ("INDEXES", Wanted::Indexes)] {
            let mut request = json!({"ReturnConsumedCapacity": mode});
            assert_eq!(ask(&mut request), wanted);
            assert_eq!(request["ReturnConsumedCapacity"], "INDEXES");
        }
        let mut unknown = json!({"ReturnConsumedCapacity": "ALL"});
        assert_eq!(ask(&mut unknown), Wanted::Unknown);
        assert_eq!(unknown["ReturnConsumedCapacity"], "ALL");

        let (mut nothing, mut total, mut indexes) = (answer(), answer(), answer());
        assert!(strip(&mut nothing, Wanted::Nothing));
        assert_eq!(nothing, json!({}));
        assert!(strip(&mut total, Wanted::Total));
        let entry = json!({
            "TableName": "orders", "CapacityUnits": 3.0, "WriteCapacityUnits": 3.0,
        });
        assert_eq!(total, json!({"ConsumedCapacity": [entry]}));
        assert!(!strip(&mut indexes, Wanted::Indexes));
        assert_eq!(indexes, answer());
    }

    #[test]
    fn a_transaction_that_was_done_before_costs_reads() {
        assert_eq!(read(&answer(), Axis::Write)[0].axis, Axis::Write);
        let mut replayed = answer();
        replayed["ConsumedCapacity"][0]["ReadCapacityUnits"] = json!(2.0);
        assert_eq!(read(&replayed, Axis::Write)[0].axis, Axis::Read);
    }

    #[test]
    fn a_failed_condition_costs_the_stored_item() {
        assert_eq!(units_of(None), 1.0);
        let item = |bytes| json!({"pk": {"S": "x".repeat(bytes)}});
        assert_eq!(units_of(Some(&item(1_022))), 1.0);
        assert_eq!(units_of(Some(&item(1_023))), 2.0);
    }
}
