//! The changes of a write in the global secondary indexes of its table.

use serde_json::Value;

use super::call::{Action, Item};
use super::expression::{self, Change};
use super::partitions::Partition;
use super::schema::{IndexSchema, Projected};

/// An entry's key, in the order of the index's key.
type EntryKey = Vec<String>;

/// The partitions of indexes that a write changes, given the item before it: one for an entry that
/// is added, removed or changed, two for one that moves.
pub(super) fn changed_partitions(item: &Item<'_>, before: Option<&Value>) -> Vec<Partition> {
    let mut changed = Vec::new();
    for index in &item.schema.indexes {
        let partition = |key: &EntryKey| {
            let value = key.first()?.clone();
            let (table, index) = (item.schema.name.clone(), Some(index.name.clone()));
            Some(Partition { table, index, value })
        };
        let old = before.and_then(|image| entry(index, |name| image.get(name)));
        let (new, computed) = after(item, index, before);
        match (old, new) {
            (Some(old), Some(new)) if old != new => {
                changed.extend([old, new].iter().filter_map(partition));
            }
            (Some(old), Some(_)) => {
                if computed || content_changes(item, index, before) {
                    changed.extend(partition(&old));
                }
            }
            (Some(key), None) | (None, Some(key)) => changed.extend(partition(&key)),
            (None, None) => {}
        }
    }
    changed
}

/// The entry's key after the write, and whether only the table knows its exact value.
fn after(item: &Item<'_>, index: &IndexSchema, before: Option<&Value>) -> (Option<EntryKey>, bool) {
    let target = &item.target;
    let mut computed = false;
    let new = match target.action {
        Action::Put => entry(index, |name| target.attributes.get(name)),
        Action::Update => entry(index, |name| {
            let now =
                before.and_then(|image| image.get(name)).or_else(|| target.attributes.get(name));
            match expression::change(target.request, name) {
                Change::Untouched => now,
                Change::Removed => None,
                Change::Set(value) => Some(value),
                Change::Computed => {
                    computed = true;
                    now
                }
            }
        }),
        Action::Delete => None,
        Action::Read | Action::Query | Action::Check => {
            before.and_then(|image| entry(index, |name| image.get(name)))
        }
    };
    (new, computed)
}

/// Whether projected attributes other than keys may change.
fn content_changes(item: &Item<'_>, index: &IndexSchema, before: Option<&Value>) -> bool {
    let target = &item.target;
    let changes = |name: &String| match target.action {
        Action::Put => target.attributes.get(name) != before.and_then(|image| image.get(name)),
        Action::Update => expression::change(target.request, name) != Change::Untouched,
        Action::Delete | Action::Read | Action::Query | Action::Check => false,
    };
    match &index.projected {
        Projected::All => true,
        Projected::Named(names) => names.iter().any(changes),
    }
}

/// `None` when an attribute of the key is missing: the item is not in the index.
fn entry<'value>(
    index: &IndexSchema,
    attribute: impl FnMut(&str) -> Option<&'value Value>,
) -> Option<EntryKey> {
    let values = index.key.iter().map(String::as_str).map(attribute);
    values.map(|value| value.map(Value::to_string)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::call::{Item, Operation};
    use super::super::schema::TableSchema;
    use super::changed_partitions;

    fn image(shard: Option<&str>, due_ms: &str) -> Value {
        let mut image =
            json!({"pk": {"S": "USER#1"}, "sk": {"S": "ORDER#1"}, "due_ms": {"N": due_ms}});
        if let Some(shard) = shard {
            image["shard"] = json!({"S": shard});
        }
        image
    }

    fn changed(operation: Operation, request: &Value, before: Option<&Value>) -> Vec<String> {
        let schema = Arc::new(TableSchema::orders(&["since_ms"]));
        let item = Item::new(operation.targets(request)[0], schema).unwrap();
        let partitions = changed_partitions(&item, before);
        partitions.into_iter().map(|partition| partition.value).collect()
    }

    fn put(item: &Value) -> Value {
        json!({"TableName": "orders", "Item": item})
    }

    fn update(expression: &str) -> Value {
        let values = json!({":shard": {"S": "8"}, ":due": {"N": "2"}});
        json!({
            "TableName": "orders", "Key": {"pk": {"S": "USER#1"}, "sk": {"S": "ORDER#1"}},
            "UpdateExpression": expression, "ExpressionAttributeValues": values,
        })
    }

    const SEVEN: &str = r#"{"S":"7"}"#;
    const EIGHT: &str = r#"{"S":"8"}"#;

    #[test]
    fn an_entry_is_added_removed_and_moved() {
        let (pending, done) = (image(Some("7"), "1"), image(None, "1"));
        assert_eq!(changed(Operation::PutItem, &put(&pending), None), [SEVEN]);
        assert_eq!(changed(Operation::PutItem, &put(&done), Some(&pending)), [SEVEN]);
        let gone = json!({"TableName": "orders", "Key": pending});
        assert_eq!(changed(Operation::DeleteItem, &gone, Some(&pending)), [SEVEN]);
        let update = |expression: &str, before| {
            changed(Operation::UpdateItem, &update(expression), Some(before))
        };
        assert_eq!(update("REMOVE shard, due_ms", &pending), [SEVEN]);
        assert_eq!(update("SET shard = :shard", &pending), [SEVEN, EIGHT]);
        assert_eq!(update("SET shard = :shard, due_ms = :due", &done), [EIGHT]);
        assert_eq!(update("ADD due_ms :due", &pending), [SEVEN]);
    }

    #[test]
    fn an_entry_that_stays_as_it_is_changes_nothing() {
        let (pending, done) = (image(Some("7"), "1"), image(None, "1"));
        assert!(changed(Operation::PutItem, &put(&pending), Some(&pending)).is_empty());
        assert!(changed(Operation::PutItem, &put(&done), None).is_empty());
        let update = update("SET lines = :due");
        assert!(changed(Operation::UpdateItem, &update, Some(&pending)).is_empty());
    }

    #[test]
    fn an_entry_changes_with_its_projected_attributes() {
        let pending = image(Some("7"), "1");
        let update = update("SET since_ms = :due");
        assert_eq!(changed(Operation::UpdateItem, &update, Some(&pending)), [SEVEN]);
        let mut since = pending.clone();
        since["since_ms"] = json!({"N": "2"});
        assert_eq!(changed(Operation::PutItem, &put(&since), Some(&pending)), [SEVEN]);
    }
}
