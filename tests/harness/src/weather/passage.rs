//! The units of one call, which are taken before it and counted after it.

use std::collections::HashMap;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::Weather;
use super::call::{Action, Item, Operation};
use super::consumed::{self, TableUse};
use super::entries;
use super::partitions::{Axis, Demand};
use super::refusal::{self, Reason, Throttle};
use super::schema::{self, ItemKey};
use crate::table_proxy::{Cut, TableAnswer};

type Images = HashMap<ItemKey, Value>;

impl Weather {
    /// Sends a call to the table, unless a partition exceeds its limit, and counts the units that
    /// it consumes.
    pub(super) async fn perform(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        request: &Value,
        items: &[Item<'_>],
    ) -> Result<TableAnswer, Cut> {
        let before = self.images(headers, items.iter().filter(|item| is_indexed(item))).await;
        let demands = demands(operation, items, &before);
        if let Some(refusal) = self.take(operation, items, &demands) {
            return Ok(refusal);
        }
        let mut asking = request.clone();
        let wanted = consumed::ask(&mut asking);
        let mut answer = self.table.send(headers, asking.to_string().into()).await?;
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut used = consumed::read(&body, operation.axis());
        if !answer.status.is_success() && failed_a_condition(&body) {
            let stored = self.images(headers, items.iter()).await;
            used = items.iter().map(|item| failure(item, &stored)).collect();
        }
        self.settle(operation, &demands, &used);
        if consumed::strip(&mut body, wanted) {
            answer.body = body.to_string().into();
            // The checksum belongs to the table's original body.
            answer.headers.remove("x-amz-crc32");
        }
        Ok(answer)
    }

    /// Takes the demanded units. Returns the refusal of the call if they are not available.
    fn take(
        &self,
        operation: Operation,
        items: &[Item<'_>],
        demands: &[Demand],
    ) -> Option<TableAnswer> {
        let refused = self.partitions.take(demands).err()?;
        let mut reasons = vec![None; items.len()];
        for demand in refused {
            if let (Some(item), Some(reason)) =
                (items.get(demand.item), reasons.get_mut(demand.item))
            {
                *reason = Some(Throttle::of(demand, &item.schema));
            }
        }
        let throttles: Vec<_> = reasons.iter().flatten().collect();
        // On AWS a batch does as many items as it can; here it then does all of them.
        if operation.is_batch() && throttles.len() < items.len() {
            self.partitions.charge(demands);
            return None;
        }
        let first = throttles.first()?;
        self.counts().throttles += throttles.len() as u64;
        Some(match operation.is_transaction() {
            false => refusal::throttled(first),
            true => {
                let reasons: Vec<_> =
                    reasons.into_iter().map(|reason| reason.map(Reason::Throttled)).collect();
                refusal::cancelled(&reasons)
            }
        })
    }

    /// Counts the used units, and corrects the units that were taken for them. The answer has one
    /// sum for a table and one for an index; a sum is divided evenly among the call's partitions
    /// there.
    fn settle(&self, operation: Operation, demands: &[Demand], used: &[TableUse]) {
        for demand in demands {
            let is_there = |other: &&Demand| {
                (&other.partition.table, &other.partition.index)
                    == (&demand.partition.table, &demand.partition.index)
            };
            let sharers = demands.iter().filter(is_there).count();
            let units: f64 = used.iter().map(|used| units_at(used, demand)).sum();
            self.partitions.settle(demand, units / sharers as f64);
        }
        let mut consumption = self.counts();
        for used in used {
            consumption.add(operation.name(), used);
        }
    }

    /// The items as they are stored now, without those that cannot be read.
    async fn images<'call>(
        &self,
        headers: &HeaderMap,
        items: impl Iterator<Item = &'call Item<'call>>,
    ) -> Images {
        let mut schemas = HashMap::new();
        let mut tables = Map::new();
        for Item { target, schema, .. } in items {
            let Some(key) = schema.key_of(target.attributes) else { continue };
            schemas.insert(schema.name.as_str(), schema);
            let keys = tables
                .entry(schema.name.clone())
                .or_insert_with(|| json!({"Keys": [], "ConsistentRead": true}));
            if let Some(Value::Array(keys)) = keys.get_mut("Keys") {
                keys.push(key);
            }
        }
        if tables.is_empty() {
            return Images::new();
        }
        let request = json!({"RequestItems": tables});
        let read = "DynamoDB_20120810.BatchGetItem";
        let Some(mut answer) = schema::ask(&*self.table, headers, read, &request).await else {
            return Images::new();
        };
        let Some(Value::Object(responses)) = answer.get_mut("Responses").map(Value::take) else {
            return Images::new();
        };
        let mut images = Images::new();
        for (table, stored) in responses {
            let (Some(schema), Value::Array(stored)) = (schemas.get(table.as_str()), stored) else {
                continue;
            };
            let keyed = |item: Value| Some((schema.item_key(&item)?, item));
            images.extend(stored.into_iter().filter_map(keyed));
        }
        images
    }
}

/// Whether the item's write can change an index.
fn is_indexed(item: &Item<'_>) -> bool {
    let writes = matches!(item.target.action, Action::Put | Action::Update | Action::Delete);
    writes && !item.schema.indexes.is_empty()
}

/// The least units that a call takes from each partition. The answer has the real units.
fn demands(operation: Operation, items: &[Item<'_>], before: &Images) -> Vec<Demand> {
    let axis = operation.axis();
    let units = match (axis, operation.is_transaction()) {
        (Axis::Read, false) => 0.5,
        (Axis::Write, false) => 1.0,
        (Axis::Read | Axis::Write, true) => 2.0,
    };
    let mut demands = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let demand = |partition, units| Demand { item: position, partition, axis, units };
        demands.extend(item.partition().map(|partition| demand(partition, units)));
        if is_indexed(item) {
            let image = item.key.as_ref().and_then(|key| before.get(key));
            let changed = entries::changed_partitions(item, image);
            demands.extend(changed.into_iter().map(|partition| demand(partition, 1.0)));
        }
    }
    demands
}

/// The used units of the table or index of a demand.
fn units_at(used: &TableUse, demand: &Demand) -> f64 {
    if used.table != demand.partition.table || used.axis != demand.axis {
        return 0.0;
    }
    match &demand.partition.index {
        None => used.table_units + used.local_indexes.iter().map(|(_, units)| units).sum::<f64>(),
        Some(name) => used
            .global_indexes
            .iter()
            .filter(|(index, _)| index == name)
            .map(|(_, units)| units)
            .sum(),
    }
}

fn failed_a_condition(body: &Value) -> bool {
    let kind = body.get("__type").and_then(Value::as_str).unwrap_or_default();
    let reasons = body.get("CancellationReasons").and_then(Value::as_array);
    let mut codes = reasons.into_iter().flatten().filter_map(|reason| reason.get("Code"));
    kind.ends_with("#ConditionalCheckFailedException")
        || codes.any(|code| code == "ConditionalCheckFailed")
}

/// The cost of an item in a call with a failed condition: the stored item, once, because a
/// transaction was prepared and not committed.
fn failure(item: &Item<'_>, stored: &Images) -> TableUse {
    let image = item.key.as_ref().and_then(|key| stored.get(key));
    TableUse {
        table: item.schema.name.clone(),
        axis: Axis::Write,
        table_units: consumed::units_of(image),
        local_indexes: Vec::new(),
        global_indexes: Vec::new(),
    }
}
