//! Steps from calls to the table.

use harness::order_calls::{OrderUpdate, created_by, fenced_by, notified_by, updates_of};
use harness::table_proxy::TableCall;
use serde_json::Value;

use super::State;
use crate::step::{Kind, Lane, Outcome};
use crate::story::NewStep;

/// What a call to the table did.
fn outcome_of(call: &TableCall) -> Outcome {
    let Some(answer) = &call.answer else { return Outcome::Failed };
    if answer.status.is_success() {
        return Outcome::Done;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["Throttl", "ProvisionedThroughputExceeded", "RequestLimitExceeded"]) {
        Outcome::Throttled
    } else if says(&["ConditionalCheckFailed", "TransactionCanceled", "TransactionConflict"]) {
        Outcome::Refused
    } else {
        Outcome::Failed
    }
}

/// The tables that a call names, each once.
fn tables_of(call: &TableCall) -> Vec<String> {
    let mut tables = Vec::new();
    collect_tables(&call.body, &mut tables);
    tables.sort();
    tables.dedup();
    tables
}

fn collect_tables(value: &Value, tables: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("TableName", Value::String(table)) => tables.push(table.clone()),
                    ("RequestItems", Value::Object(items)) => tables.extend(items.keys().cloned()),
                    ("TransactItems", _) | ("Put" | "Update" | "Delete" | "ConditionCheck", _) => {
                        collect_tables(member, tables);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_tables(item, tables)),
        _ => {}
    }
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}

/// Whether a call puts a dead letter.
fn gives_up(call: &TableCall) -> bool {
    let items = call.body.get("TransactItems").and_then(Value::as_array);
    let mut keys = items.into_iter().flatten().filter_map(|item| item.pointer("/Put/Item/pk/S"));
    keys.any(|key| key.as_str().is_some_and(|key| key.starts_with("DEAD#")))
}

/// What an update of an order means, by the function that makes it.
fn kind_of(lane: Lane, call: &TableCall, update: &OrderUpdate) -> Kind {
    match (lane, update.status.as_deref()) {
        _ if gives_up(call) => Kind::GiveUp,
        (_, Some("REJECTED")) => Kind::Reject,
        (_, Some("CANCELLED")) => Kind::Cancel,
        (_, Some("CONFIRMED")) => Kind::Reserve,
        (Lane::TransactionCheck, _) => Kind::Claim,
        _ if !update.ended.is_empty() || !notified_by(call).is_empty() => Kind::Finish,
        _ if update.is_claim => Kind::Claim,
        _ => Kind::Note,
    }
}

impl State {
    pub(super) fn called(&mut self, function: &str, call: &TableCall, at_ms: f64, now_ms: f64) {
        let outcome = outcome_of(call);
        for table in tables_of(call) {
            let counts = self.tables.entry(table).or_default();
            if is_read(&call.operation) {
                counts.reads += 1;
            } else {
                counts.writes += 1;
            }
            counts.refused += u64::from(outcome == Outcome::Refused);
            counts.throttled += u64::from(outcome == Outcome::Throttled);
        }
        self.counts.throttled += u64::from(outcome == Outcome::Throttled);
        let Some(lane) = Lane::of_function(function) else { return };
        let label = call.operation.clone();
        let step = |kind| NewStep {
            at_ms,
            from: lane,
            to: Lane::Table,
            kind,
            label: label.clone(),
            outcome,
            took_ms: Some((now_ms - at_ms).max(0.0)),
        };
        if let Some(attempt) = created_by(call) {
            self.add_step(&attempt.order_id, step(Kind::Put));
            if outcome == Outcome::Done {
                self.created(&attempt.order_id, &call.body);
            }
        } else if let Some(attempt) = fenced_by(call) {
            self.counts.fences += u64::from(outcome == Outcome::Done);
            self.add_step(&attempt.order_id, step(Kind::Fence));
        } else if call.operation == "GetItem" {
            let key = call.key_of("ORDER#");
            if let Some(order_id) = key.as_deref().and_then(|key| key.strip_prefix("ORDER#")) {
                self.add_step(order_id, step(Kind::Read));
            }
        }
        for update in updates_of(call).into_iter().filter(|_| fenced_by(call).is_none()) {
            let kind = kind_of(lane, call, &update);
            self.add_step(&update.order_id, step(kind));
            if outcome == Outcome::Done {
                self.updated(kind, update);
            }
        }
    }

    fn created(&mut self, order_id: &str, body: &Value) {
        self.counts.created += 1;
        let status = body.pointer("/Item/status/S").and_then(Value::as_str).map(str::to_owned);
        let pending = body.pointer("/Item/pending/M").and_then(Value::as_object);
        let pending: Vec<String> =
            pending.into_iter().flat_map(|map| map.keys().cloned()).collect();
        for event_id in &pending {
            self.events.put(event_id.clone(), order_id.to_owned());
        }
        if let Some(story) = self.story(order_id) {
            story.status = status;
            story.pending.extend(pending);
        }
    }

    fn updated(&mut self, kind: Kind, update: OrderUpdate) {
        match kind {
            Kind::Reserve => self.counts.confirmed += 1,
            Kind::Reject => self.counts.rejected += 1,
            Kind::Cancel => self.counts.cancelled += 1,
            Kind::Claim => self.counts.claims += 1,
            Kind::GiveUp => self.counts.given_up += 1,
            _ => {}
        }
        for event_id in &update.raised {
            self.events.put(event_id.clone(), update.order_id.clone());
        }
        if let Some(story) = self.story(&update.order_id) {
            if update.status.is_some() {
                story.status = update.status;
            }
            story.pending.extend(update.raised);
            for event_id in &update.ended {
                story.pending.remove(event_id);
            }
        }
    }
}
