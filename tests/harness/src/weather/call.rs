use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use super::expression;
use super::partitions::{Axis, Partition};
use super::schema::{ItemKey, TableSchema};

/// The operations on items. All others, such as `ExecuteStatement`, pass without weather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    GetItem,
    BatchGetItem,
    Query,
    Scan,
    PutItem,
    UpdateItem,
    DeleteItem,
    BatchWriteItem,
    TransactGetItems,
    TransactWriteItems,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    /// A read of a partition of the table, or of the index that the request names.
    Query,
    Put,
    Update,
    Delete,
    Check,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'call> {
    pub(super) table: &'call str,
    pub(super) action: Action,
    /// The item or its key; for a query, the request.
    pub(super) attributes: &'call Value,
    /// The part of the request with the expressions.
    pub(super) request: &'call Value,
}

#[derive(Debug)]
pub(super) struct Item<'call> {
    pub(super) target: Target<'call>,
    pub(super) schema: Arc<TableSchema>,
    /// `None` for a query.
    pub(super) key: Option<ItemKey>,
}

impl Operation {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Some(match operation_name(headers)? {
            "GetItem" => Self::GetItem,
            "BatchGetItem" => Self::BatchGetItem,
            "Query" => Self::Query,
            "Scan" => Self::Scan,
            "PutItem" => Self::PutItem,
            "UpdateItem" => Self::UpdateItem,
            "DeleteItem" => Self::DeleteItem,
            "BatchWriteItem" => Self::BatchWriteItem,
            "TransactGetItems" => Self::TransactGetItems,
            "TransactWriteItems" => Self::TransactWriteItems,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::BatchGetItem => "BatchGetItem",
            Self::Query => "Query",
            Self::Scan => "Scan",
            Self::PutItem => "PutItem",
            Self::UpdateItem => "UpdateItem",
            Self::DeleteItem => "DeleteItem",
            Self::BatchWriteItem => "BatchWriteItem",
            Self::TransactGetItems => "TransactGetItems",
            Self::TransactWriteItems => "TransactWriteItems",
        }
    }

    pub(super) const fn axis(self) -> Axis {
        match self {
            Self::PutItem
            | Self::UpdateItem
            | Self::DeleteItem
            | Self::BatchWriteItem
            | Self::TransactWriteItems => Axis::Write,
            _ => Axis::Read,
        }
    }

    pub(super) const fn is_transaction(self) -> bool {
        matches!(self, Self::TransactGetItems | Self::TransactWriteItems)
    }

    pub(super) const fn is_batch(self) -> bool {
        matches!(self, Self::BatchGetItem | Self::BatchWriteItem)
    }

    /// The items of a call, in its order. Malformed ones are left out; the table refuses them.
    pub(super) fn targets(self, request: &Value) -> Vec<Target<'_>> {
        match self {
            Self::GetItem => single(request, Action::Read, "Key").into_iter().collect(),
            Self::PutItem => single(request, Action::Put, "Item").into_iter().collect(),
            Self::UpdateItem => single(request, Action::Update, "Key").into_iter().collect(),
            Self::DeleteItem => single(request, Action::Delete, "Key").into_iter().collect(),
            Self::Query => table_of(request)
                .map(|table| Target { table, action: Action::Query, attributes: request, request })
                .into_iter()
                .collect(),
            // A scan reads all partitions.
            Self::Scan => Vec::new(),
            Self::BatchGetItem | Self::BatchWriteItem => batch(request),
            Self::TransactGetItems | Self::TransactWriteItems => {
                let items = request.get("TransactItems").and_then(Value::as_array);
                items.into_iter().flatten().filter_map(transacted).collect()
            }
        }
    }
}

/// From `X-Amz-Target`.
pub(super) fn operation_name(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()?.rsplit('.').next()
}

pub(super) fn table_of(request: &Value) -> Option<&str> {
    request.get("TableName")?.as_str()
}

fn single<'call>(request: &'call Value, action: Action, member: &str) -> Option<Target<'call>> {
    let (table, attributes) = (table_of(request)?, request.get(member)?);
    Some(Target { table, action, attributes, request })
}

fn transacted(item: &Value) -> Option<Target<'_>> {
    let (kind, request) = item.as_object()?.iter().find(|(_, request)| request.is_object())?;
    match kind.as_str() {
        "Get" => single(request, Action::Read, "Key"),
        "Put" => single(request, Action::Put, "Item"),
        "Update" => single(request, Action::Update, "Key"),
        "Delete" => single(request, Action::Delete, "Key"),
        "ConditionCheck" => single(request, Action::Check, "Key"),
        _ => None,
    }
}

fn batch(request: &Value) -> Vec<Target<'_>> {
    let mut targets = Vec::new();
    let tables = request.get("RequestItems").and_then(Value::as_object);
    for (table, requests) in tables.into_iter().flatten() {
        let target = |action, attributes| Target { table, action, attributes, request: requests };
        let keys = requests.get("Keys").and_then(Value::as_array);
        targets.extend(keys.into_iter().flatten().map(|key| target(Action::Read, key)));
        for write in requests.as_array().into_iter().flatten() {
            let put = write.pointer("/PutRequest/Item").map(|item| target(Action::Put, item));
            let delete = write.pointer("/DeleteRequest/Key").map(|key| target(Action::Delete, key));
            targets.extend(put.or(delete));
        }
    }
    targets
}

impl<'call> Item<'call> {
    /// `None` when the key is incomplete.
    pub(super) fn new(target: Target<'call>, schema: Arc<TableSchema>) -> Option<Self> {
        let key = match target.action {
            Action::Query => None,
            _ => Some(schema.item_key(target.attributes)?),
        };
        Some(Self { target, schema, key })
    }

    /// The item's partition of the table, or the partition that a query reads.
    pub(super) fn partition(&self) -> Option<Partition> {
        if self.target.action != Action::Query {
            return self.schema.partition(self.target.attributes);
        }
        let request = self.target.request;
        let index = request.get("IndexName").and_then(Value::as_str);
        // A local index is in the table's own partitions.
        let global = index.filter(|name| self.schema.partition_key(Some(name)).is_some());
        let attribute = self.schema.partition_key(global)?;
        Some(Partition {
            table: self.schema.name.clone(),
            index: global.map(str::to_owned),
            value: expression::equal_to(request, attribute)?.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::schema::TableSchema;
    use super::{Action, Item, Operation};

    #[test]
    fn a_transaction_names_its_items_in_order() {
        let key = json!({"pk": {"S": "USER#1"}, "sk": {"S": "ORDER#1"}});
        let request = json!({"TransactItems": [
            {"Update": {"TableName": "orders", "Key": key}},
            {"Put": {"TableName": "catalog", "Item": key}},
            {"ConditionCheck": {"TableName": "users", "Key": key}},
        ]});
        let targets = Operation::TransactWriteItems.targets(&request);
        let named: Vec<_> = targets.iter().map(|target| (target.table, target.action)).collect();
        let expected =
            [("orders", Action::Update), ("catalog", Action::Put), ("users", Action::Check)];
        assert_eq!(named, expected);
    }

    #[test]
    fn a_batch_names_the_items_of_all_its_tables() {
        let key = json!({"pk": {"S": "1"}});
        let writes = json!({"RequestItems": {
            "orders": [{"PutRequest": {"Item": key}}, {"DeleteRequest": {"Key": key}}],
            "users": [{"PutRequest": {"Item": key}}],
        }});
        assert_eq!(Operation::BatchWriteItem.targets(&writes).len(), 3);
        let reads = json!({"RequestItems": {"orders": {"Keys": [key, key]}}});
        assert_eq!(Operation::BatchGetItem.targets(&reads).len(), 2);
    }

    #[test]
    fn a_query_reads_a_partition_of_the_table_or_of_its_index() {
        let query = |index: Option<&str>, attribute: &str| {
            let request = json!({
                "TableName": "orders",
                "IndexName": index,
                "KeyConditionExpression": format!("{attribute} = :v"),
                "ExpressionAttributeValues": {":v": {"S": "7"}},
            });
            let schema = Arc::new(TableSchema::orders(&[]));
            let target = Operation::Query.targets(&request)[0];
            let partition = Item::new(target, schema).unwrap().partition().unwrap();
            assert_eq!(partition.value, r#"{"S":"7"}"#);
            partition.index
        };
        assert_eq!(query(None, "pk"), None);
        assert_eq!(query(Some("a-local-index"), "pk"), None);
        assert_eq!(query(Some("pending"), "shard").as_deref(), Some("pending"));
    }
}
