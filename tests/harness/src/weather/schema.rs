//! The keys of tables and of their global secondary indexes, as the table itself describes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::partitions::Partition;
use super::settings::TABLES_MAX;
use crate::table_proxy::Upstream;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ItemKey {
    table: String,
    key: String,
}

impl ItemKey {
    #[cfg(test)]
    pub(super) fn of(table: &str, values: &[&str]) -> Self {
        Self { table: table.to_owned(), key: values.join("\n") }
    }
}

#[derive(Debug)]
pub(super) struct TableSchema {
    pub(super) name: String,
    pub(super) arn: String,
    /// Billed by request; otherwise the throughput is provisioned.
    pub(super) on_demand: bool,
    /// The partition key first.
    key: Vec<String>,
    pub(super) indexes: Vec<IndexSchema>,
}

#[derive(Debug)]
pub(super) struct IndexSchema {
    pub(super) name: String,
    /// The partition key first.
    pub(super) key: Vec<String>,
    pub(super) projected: Projected,
}

/// The attributes of an item that an index has in addition to keys.
#[derive(Debug)]
pub(super) enum Projected {
    All,
    /// Empty for an index with keys only.
    Named(Vec<String>),
}

impl TableSchema {
    /// The key in `attributes`, which are an item or a key. `None` when it is incomplete.
    pub(super) fn key_of(&self, attributes: &Value) -> Option<Value> {
        let member = |name: &String| Some((name.clone(), attributes.get(name)?.clone()));
        Some(Value::Object(self.key.iter().map(member).collect::<Option<_>>()?))
    }

    /// [`TableSchema::key_of`] in a form that can be compared.
    pub(super) fn item_key(&self, attributes: &Value) -> Option<ItemKey> {
        let value = |name: &String| Some(attributes.get(name)?.to_string());
        let values: Vec<_> = self.key.iter().map(value).collect::<Option<_>>()?;
        Some(ItemKey { table: self.name.clone(), key: values.join("\n") })
    }

    pub(super) fn partition(&self, attributes: &Value) -> Option<Partition> {
        let value = attributes.get(self.key.first()?)?.to_string();
        Some(Partition { table: self.name.clone(), index: None, value })
    }

    /// The name of the partition key of the table, or of one of its global indexes. `None` for an
    /// index that is not global.
    pub(super) fn partition_key(&self, index: Option<&str>) -> Option<&str> {
        let key = match index {
            None => &self.key,
            Some(name) => &self.indexes.iter().find(|index| index.name == name)?.key,
        };
        key.first().map(String::as_str)
    }
}

/// A cache of at most [`TABLES_MAX`] schemas.
#[derive(Default)]
pub(super) struct Schemas(Mutex<HashMap<String, Arc<TableSchema>>>);

impl Schemas {
    /// The schema of a table, which is read at its first use. `None` when the table does not exist.
    pub(super) async fn of(
        &self,
        table: &dyn Upstream,
        headers: &HeaderMap,
        name: &str,
    ) -> Option<Arc<TableSchema>> {
        if let Some(schema) = self.schemas().get(name) {
            return Some(Arc::clone(schema));
        }
        let schema = Arc::new(describe(table, headers, name).await?);
        let mut schemas = self.schemas();
        if schemas.len() >= TABLES_MAX {
            schemas.clear();
        }
        schemas.insert(name.to_owned(), Arc::clone(&schema));
        Some(schema)
    }

    /// For a table that is changed or deleted.
    pub(super) fn forget(&self, name: &str) {
        self.schemas().remove(name);
    }

    fn schemas(&self) -> MutexGuard<'_, HashMap<String, Arc<TableSchema>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request to the table with the caller's headers. `None` when the table refuses it.
pub(super) async fn ask(
    table: &dyn Upstream,
    headers: &HeaderMap,
    operation: &'static str,
    request: &Value,
) -> Option<Value> {
    let mut headers = headers.clone();
    headers.insert("x-amz-target", HeaderValue::from_static(operation));
    let answer = table.send(&headers, request.to_string().into()).await.ok()?;
    answer.status.is_success().then(|| serde_json::from_slice(&answer.body).ok())?
}

async fn describe(table: &dyn Upstream, headers: &HeaderMap, name: &str) -> Option<TableSchema> {
    let request = json!({"TableName": name});
    let answer = ask(table, headers, "DynamoDB_20120810.DescribeTable", &request).await?;
    let described: Described = serde_json::from_value(answer).ok()?;
    let table = described.table;
    let indexes = table.global_secondary_indexes.into_iter().map(|index| IndexSchema {
        name: index.index_name,
        key: in_order(index.key_schema),
        projected: match index.projection.projection_type.as_str() {
            "ALL" => Projected::All,
            _ => Projected::Named(index.projection.non_key_attributes),
        },
    });
    Some(TableSchema {
        name: name.to_owned(),
        arn: table.table_arn,
        on_demand: table
            .billing_mode_summary
            .is_some_and(|billing| billing.billing_mode == "PAY_PER_REQUEST"),
        key: in_order(table.key_schema),
        indexes: indexes.collect(),
    })
}

fn in_order(mut key: Vec<KeyElement>) -> Vec<String> {
    key.sort_by_key(|element| element.key_type != "HASH");
    key.into_iter().map(|element| element.attribute_name).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    table: Table,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    #[serde(default)]
    table_arn: String,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    billing_mode_summary: Option<Billing>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<KeyElement>,
    projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Billing {
    billing_mode: String,
}

#[cfg(test)]
impl TableSchema {
    /// A table `orders` with the key `pk`, `sk` and an index `pending` with the key `shard`,
    /// `due_ms`.
    pub(super) fn orders(projected: &[&str]) -> Self {
        let named = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        let projected = Projected::Named(projected.iter().map(ToString::to_string).collect());
        let index =
            IndexSchema { name: "pending".into(), key: named(["shard", "due_ms"]), projected };
        Self {
            name: "orders".into(),
            arn: String::new(),
            on_demand: true,
            key: named(["pk", "sk"]),
            indexes: vec![index],
        }
    }
}
