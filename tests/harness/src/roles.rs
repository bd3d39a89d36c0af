//! The roles of functions before the table: a call that the template's role does not permit is
//! refused, as IAM refuses it on AWS.
//!
//! The permissions that the functions of a test run use are written to the file that [`USED`]
//! names, so that `cargo xtask test` also finds a permission that nothing needs.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use local_lambda::{ACCOUNT_ID, FunctionSpec, Permission, REGION};
use serde_json::{Value, json};

use crate::table_proxy::{TableAnswer, TableCall};

/// The variable that names the file to which used permissions are written: a line for each, with the
/// function, the action and the resource, in which `-` stands for the name of the stack.
pub const USED: &str = "PERMISSIONS_USED";

pub(crate) struct Role {
    function: String,
    stack_name: String,
    permitted: BTreeSet<Permission>,
    used: Mutex<BTreeSet<Permission>>,
    record: Option<PathBuf>,
}

impl Role {
    /// `None` if the template does not have the role.
    #[expect(clippy::disallowed_methods, reason = "`cargo xtask test` sets it for all tests")]
    pub(crate) fn of(function: &FunctionSpec, stack_name: &str) -> Option<Self> {
        Some(Self {
            function: function.name.clone(),
            stack_name: stack_name.to_owned(),
            permitted: function.permissions.clone()?,
            used: Mutex::default(),
            record: std::env::var_os(USED).map(PathBuf::from),
        })
    }

    /// For a call that needs more than the role permits.
    pub(crate) fn refusal(&self, call: &TableCall) -> Option<TableAnswer> {
        let needed = needed(call);
        if let Some(missing) = needed.iter().find(|needed| !self.permitted.contains(needed)) {
            let Permission { action, resource } = missing;
            let function = &self.function;
            tracing::error!(%function, %action, %resource, "the role does not permit this call");
            return Some(denied(missing));
        }
        for permission in needed {
            self.note(permission);
        }
        None
    }

    fn note(&self, permission: Permission) {
        let Some(record) = &self.record else { return };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains(&permission) {
            return;
        }
        let line = line(&self.function, &permission, &self.stack_name);
        if let Err(error) = append(record, &line) {
            tracing::error!(%error, "a used permission is not written down");
        }
        used.insert(permission);
    }
}

/// A line of [`USED`]'s file, with its end.
#[must_use]
pub fn line(function: &str, permission: &Permission, stack_name: &str) -> String {
    let Permission { action, resource } = permission;
    let resource = resource.replace(&format!("table/{stack_name}-"), "table/-");
    format!("{function} {action} {resource}\n")
}

fn append(file: &PathBuf, line: &str) -> io::Result<()> {
    // Several processes of tests write to it, each line by one call.
    OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

/// The error of a call that IAM refuses
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).
fn denied(Permission { action, resource }: &Permission) -> TableAnswer {
    let body = json!({
        "__type": "com.amazon.coral.service#AccessDeniedException",
        "Message": format!("The function's role is not authorized to perform: {action} on resource: {resource}"),
    });
    TableAnswer::json(StatusCode::BAD_REQUEST, &body)
}

/// What a call needs. The parts of a transaction need the actions of single calls
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>).
fn needed(call: &TableCall) -> BTreeSet<Permission> {
    let TableCall { operation, body, .. } = call;
    match operation.as_str() {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
            let parts = items.filter_map(Value::as_object).flatten();
            // `Put` needs `PutItem`, and so on.
            parts.map(|(part, request)| on(&format!("{part}Item"), request)).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems").and_then(Value::as_object).into_iter();
            tables
                .flat_map(|tables| tables.keys().map(|table| permission(operation, table, None)))
                .collect()
        }
        _ => BTreeSet::from([on(operation, body)]),
    }
}

fn on(action: &str, request: &Value) -> Permission {
    let text = |member: &str| request.get(member).and_then(Value::as_str);
    permission(action, text("TableName").unwrap_or_default(), text("IndexName"))
}

fn permission(action: &str, table: &str, index: Option<&str>) -> Permission {
    let index = index.map(|index| format!("/index/{index}")).unwrap_or_default();
    Permission {
        action: format!("dynamodb:{action}"),
        resource: format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{table}{index}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn call(operation: &str, body: Value) -> TableCall {
        TableCall { at: Instant::now(), operation: operation.to_owned(), body, answer: None }
    }

    fn needs(operation: &str, body: Value) -> Vec<String> {
        let needed = needed(&call(operation, body));
        needed.iter().map(|needed| line("f", needed, "stack").trim_end().to_owned()).collect()
    }

    #[test]
    fn a_call_needs_what_iam_asks_for() {
        let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/-A");
        assert_eq!(
            needs("GetItem", json!({"TableName": "stack-A"})),
            [format!("f dynamodb:GetItem {table}")]
        );
        assert_eq!(
            needs("Query", json!({"TableName": "stack-A", "IndexName": "by_user"})),
            [format!("f dynamodb:Query {table}/index/by_user")]
        );
        assert_eq!(
            needs("BatchGetItem", json!({"RequestItems": {"stack-A": {}, "stack-B": {}}})).len(),
            2
        );
        let parts = json!({"TransactItems": [
            {"Put": {"TableName": "stack-A"}},
            {"Put": {"TableName": "stack-A"}},
            {"ConditionCheck": {"TableName": "stack-A"}},
        ]});
        assert_eq!(
            needs("TransactWriteItems", parts),
            [
                format!("f dynamodb:ConditionCheckItem {table}"),
                format!("f dynamodb:PutItem {table}")
            ]
        );
    }

    #[test]
    fn what_the_role_does_not_permit_is_refused() {
        let permitted = needed(&call("PutItem", json!({"TableName": "stack-A"})));
        let role = Role {
            function: "f".to_owned(),
            stack_name: "stack".to_owned(),
            permitted,
            used: Mutex::default(),
            record: None,
        };
        let put = json!({"TransactItems": [{"Put": {"TableName": "stack-A"}}]});
        assert_eq!(role.refusal(&call("TransactWriteItems", put)), None);
        let other = role.refusal(&call("PutItem", json!({"TableName": "stack-B"}))).unwrap();
        assert_eq!(other.status, StatusCode::BAD_REQUEST);
        let body: Value = serde_json::from_slice(&other.body).unwrap();
        assert!(body["__type"].as_str().unwrap().ends_with("#AccessDeniedException"), "{body}");
    }
}
