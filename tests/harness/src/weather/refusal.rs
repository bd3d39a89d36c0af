//! Refusals, in DynamoDB's words.
//!
//! The codes and messages are those of `TransactionCanceledException` in the Amazon DynamoDB API
//! Reference
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>)
//! and of `ThrottlingReason`
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html>).

use http::StatusCode;
use serde_json::{Value, json};

use super::partitions::{Axis, Demand};
use super::schema::TableSchema;
use crate::table_proxy::TableAnswer;

/// Why an item cancels its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    Conflict,
    Throttled(Throttle),
}

/// A partition that exceeds its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Throttle {
    on_demand: bool,
    index: Option<String>,
    axis: Axis,
    table_arn: String,
}

impl Throttle {
    pub(super) fn of(demand: &Demand, schema: &TableSchema) -> Self {
        Self {
            on_demand: schema.on_demand,
            index: demand.partition.index.clone(),
            axis: demand.axis,
            table_arn: schema.arn.clone(),
        }
    }

    const fn message(&self) -> &'static str {
        match (self.on_demand, self.index.is_some()) {
            (true, false) => {
                "Throughput exceeds the current capacity of your table or index. DynamoDB is \
                 automatically scaling your table or index so please try again shortly. If \
                 exceptions persist, check if you have a hot key: \
                 https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html."
            }
            (true, true) => {
                "Throughput exceeds the current capacity for one or more global secondary \
                 indexes. DynamoDB is automatically scaling your index so please try again shortly."
            }
            (false, false) => {
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API."
            }
            (false, true) => {
                "The level of configured provisioned throughput for one or more global secondary \
                 indexes of the table was exceeded. Consider increasing your provisioning level \
                 for the under-provisioned global secondary indexes with the UpdateTable API."
            }
        }
    }

    /// The reason, such as `TableWriteKeyRangeThroughputExceeded`, with its resource.
    fn reason(&self) -> Value {
        let axis = match self.axis {
            Axis::Read => "Read",
            Axis::Write => "Write",
        };
        let (kind, resource) = match &self.index {
            None => ("Table", self.table_arn.clone()),
            Some(index) => ("Index", format!("{}/index/{index}", self.table_arn)),
        };
        json!({"reason": format!("{kind}{axis}KeyRangeThroughputExceeded"), "resource": resource})
    }
}

/// The answer to a call that exceeds its partition's limit: `ThrottlingException` for a table that
/// is billed by request, otherwise `ProvisionedThroughputExceededException`.
pub(super) fn throttled(throttle: &Throttle) -> TableAnswer {
    let kind = match throttle.on_demand {
        true => "ThrottlingException",
        false => "ProvisionedThroughputExceededException",
    };
    let mut body = error(kind, "message", throttle.message());
    insert(&mut body, "ThrottlingReasons", json!([throttle.reason()]));
    TableAnswer::json(StatusCode::BAD_REQUEST, &body)
}

/// The answer to a single write on the item of a running transaction.
pub(super) fn conflict() -> TableAnswer {
    let body =
        error("TransactionConflictException", "message", "Transaction is ongoing for the item");
    TableAnswer::json(StatusCode::BAD_REQUEST, &body)
}

/// The answer to a transaction while another one with its request token is running.
pub(super) fn in_progress() -> TableAnswer {
    let message = "The transaction with the given request token is already in progress.";
    let body = error("TransactionInProgressException", "Message", message);
    TableAnswer::json(StatusCode::BAD_REQUEST, &body)
}

/// The answer to a cancelled transaction, with the reason of each of its items, in order.
pub(super) fn cancelled(reasons: &[Option<Reason>]) -> TableAnswer {
    let codes: Vec<_> = reasons.iter().map(|reason| code(reason.as_ref())).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", "),
    );
    let reasons: Vec<_> = reasons.iter().map(|reason| described(reason.as_ref())).collect();
    let mut body = error("TransactionCanceledException", "Message", &message);
    insert(&mut body, "CancellationReasons", reasons.into());
    TableAnswer::json(StatusCode::BAD_REQUEST, &body)
}

const fn code(reason: Option<&Reason>) -> &'static str {
    match reason {
        None => "None",
        Some(Reason::Conflict) => "TransactionConflict",
        Some(Reason::Throttled(throttle)) if throttle.on_demand => "ThrottlingError",
        Some(Reason::Throttled(_)) => "ProvisionedThroughputExceeded",
    }
}

fn described(reason: Option<&Reason>) -> Value {
    let code = code(reason);
    match reason {
        None => json!({"Code": code}),
        Some(Reason::Conflict) => {
            json!({"Code": code, "Message": "Transaction is ongoing for the item"})
        }
        Some(Reason::Throttled(throttle)) => json!({"Code": code, "Message": throttle.message()}),
    }
}

fn error(kind: &str, message_member: &str, message: &str) -> Value {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    json!({"__type": kind, message_member: message})
}

fn insert(body: &mut Value, member: &str, value: Value) {
    if let Some(members) = body.as_object_mut() {
        members.insert(member.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::partitions::{Axis, Demand, Partition};
    use super::super::schema::TableSchema;
    use super::{Reason, Throttle, cancelled, throttled};
    use crate::table_proxy::TableAnswer;

    fn throttle(on_demand: bool, index: Option<&str>) -> Throttle {
        let mut schema = TableSchema::orders(&[]);
        (schema.on_demand, schema.arn) = (on_demand, "arn".to_owned());
        let index = index.map(str::to_owned);
        let partition = Partition { table: "orders".into(), index, value: String::new() };
        let demand = Demand { item: 0, partition, axis: Axis::Write, units: 1.0 };
        Throttle::of(&demand, &schema)
    }

    fn body(answer: &TableAnswer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_throttle_names_its_mode_and_its_table_or_index() {
        let table = body(&throttled(&throttle(true, None)));
        assert!(table["__type"].as_str().unwrap().ends_with("#ThrottlingException"));
        let reason = json!({"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn"});
        assert_eq!(table["ThrottlingReasons"], json!([reason]));
        let index = body(&throttled(&throttle(false, Some("pending"))));
        let kind = index["__type"].as_str().unwrap();
        assert!(kind.ends_with("#ProvisionedThroughputExceededException"));
        let reason = &index["ThrottlingReasons"][0];
        assert_eq!(reason["reason"], "IndexWriteKeyRangeThroughputExceeded");
        assert_eq!(reason["resource"], "arn/index/pending");
    }

    #[test]
    fn a_cancelled_transaction_has_a_reason_for_each_item() {
        let throttles = [throttle(true, None), throttle(false, None)].map(Reason::Throttled);
        let [on_demand, provisioned] = throttles.map(Some);
        let answer = body(&cancelled(&[None, Some(Reason::Conflict), on_demand, provisioned]));
        let codes: Vec<_> =
            answer["CancellationReasons"].as_array().unwrap().iter().map(|r| &r["Code"]).collect();
        let expected =
            ["None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        assert_eq!(codes, expected);
        let message = answer["Message"].as_str().unwrap();
        assert!(message.ends_with(
            "[None, TransactionConflict, ThrottlingError, ProvisionedThroughputExceeded]"
        ));
    }
}
