//! Each function may do with the tables what its adapters do, and no more.
//!
//! A function's `main.rs` names its adapters. What each does is written down here, and compared with
//! the adapter's source on one side and with the function's role on the other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::template::template;
use crate::{document, resources, root};

/// An action on a table, or on an index of it.
type Grant = (String, String);

/// An adapter, the file that it is in, and what it does: a resource with actions. The parts of a
/// `TransactWriteItems` are permitted by their own actions.
type Adapter = (&'static str, &'static str, &'static [(&'static str, &'static [&'static str])]);

const ADAPTERS: &[Adapter] = &[
    ("DynamoAccounts", "accounts.rs", &[("UsersTable", &["GetItem"])]),
    ("DynamoCatalog", "catalog.rs", &[("CatalogTable", &["BatchGetItem"])]),
    ("DynamoDeadLetters", "dead_letters.rs", &[("EventsTable", &["PutItem", "UpdateItem"])]),
    ("DynamoInbox", "effects.rs", &[("EventsTable", &["PutItem"])]),
    (
        "DynamoInventory",
        "inventory.rs",
        &[
            ("OrdersTable", &["UpdateItem"]),
            ("EventsTable", &["PutItem"]),
            ("CatalogTable", &["UpdateItem"]),
        ],
    ),
    (
        "DynamoNotifications",
        "effects.rs",
        &[("OrdersTable", &["UpdateItem"]), ("EventsTable", &["PutItem"])],
    ),
    ("DynamoObservations", "effects.rs", &[("EventsTable", &["PutItem", "UpdateItem"])]),
    ("DynamoOrderReader", "orders.rs", &[("OrdersTable", &["GetItem"])]),
    (
        "DynamoOrderRepository",
        "orders.rs",
        &[("OrdersTable", &["PutItem"]), ("EventsTable", &["GetItem", "PutItem"])],
    ),
    ("DynamoOutbox", "outbox.rs", &[("EventsTable", &["UpdateItem"])]),
    ("DynamoOverdueEvents", "overdue.rs", &[("EventsTable/index/unobserved", &["Query"])]),
    // It reads from the tables that health names.
    (
        "DynamoTables",
        "tables.rs",
        &[
            ("OrdersTable", &["GetItem"]),
            ("EventsTable", &["GetItem"]),
            ("CatalogTable", &["GetItem"]),
            ("KeysTable", &["GetItem"]),
        ],
    ),
    ("DynamoTransactionLedger", "ledger.rs", &[("EventsTable", &["GetItem", "PutItem"])]),
    (
        "DynamoUnobservedEvents",
        "unobserved.rs",
        &[("EventsTable", &["GetItem"]), ("EventsTable/index/unobserved", &["Query"])],
    ),
    ("DynamoVerificationKeys", "verification_keys.rs", &[("KeysTable", &["GetItem"])]),
];

/// How an adapter's source says that it does something.
const SAYINGS: &[(&str, &str)] = &[
    (".batch_get_item()", "BatchGetItem"),
    (".get_item()", "GetItem"),
    ("get(&self.client", "GetItem"),
    (" get(client, ", "GetItem"),
    (".query()", "Query"),
    ("due_in(", "Query"),
    (".scan()", "Scan"),
    (".put_item()", "PutItem"),
    (".put(", "PutItem"),
    (".put_if(", "PutItem"),
    (".put_if_absent(", "PutItem"),
    ("with_inbox(", "PutItem"),
    (".update_item()", "UpdateItem"),
    (".update(", "UpdateItem"),
    (".delete_item()", "DeleteItem"),
    (".delete(", "DeleteItem"),
    (".delete_if(", "DeleteItem"),
];

fn source(path: &str) -> String {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    // What a file's own tests do needs no permission.
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The adapters that a function is wired with.
fn adapters_of(function: &str) -> BTreeSet<String> {
    let main = source(&format!("functions/{function}/src/main.rs"));
    main.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.starts_with("Dynamo") && *word != "Dynamo")
        .map(str::to_owned)
        .collect()
}

fn needed_by(function: &str) -> BTreeSet<Grant> {
    let mut needed = BTreeSet::new();
    for name in adapters_of(function) {
        let known = ADAPTERS.iter().find(|(adapter, _, _)| *adapter == name);
        let (_, _, grants) = known.unwrap_or_else(|| panic!("write down here what {name} does"));
        for (resource, actions) in *grants {
            needed.extend(
                actions.iter().map(|action| ((*resource).to_owned(), (*action).to_owned())),
            );
        }
    }
    needed
}

/// A string, or a list of them.
fn items(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The table, or the index of it, that an ARN names.
fn resource(arn: &Value) -> String {
    let text = match (arn.get("Fn::GetAtt"), arn.get("Fn::Sub")) {
        (Some(attribute), _) => attribute.as_str().unwrap().to_owned(),
        (_, Some(text)) => text.as_str().unwrap().replace(['$', '{', '}'], ""),
        _ => panic!("not one table or index: {arn}"),
    };
    text.replace(".Arn", "")
}

fn granted_to(function: &Value) -> BTreeSet<Grant> {
    let mut granted = BTreeSet::new();
    for policy in function["Properties"]["Policies"].as_array().unwrap() {
        for statement in policy["Statement"].as_array().expect("policies are written out") {
            assert_eq!(statement["Effect"], "Allow");
            for arn in items(&statement["Resource"]) {
                for action in items(&statement["Action"]) {
                    let action = action.as_str().unwrap();
                    let action = action.strip_prefix("dynamodb:").expect("tables only");
                    granted.insert((resource(arn), action.to_owned()));
                }
            }
        }
    }
    granted
}

#[test]
fn each_role_permits_what_the_functions_adapters_do_and_no_more() {
    let document = document();
    let functions: BTreeMap<_, _> =
        resources(&document, "AWS::Serverless::Function").into_iter().collect();
    for function in template().functions {
        let granted = granted_to(functions[function.logical_id.as_str()]);
        assert_eq!(granted, needed_by(&function.name), "{}", function.name);
    }
}

#[test]
fn each_adapter_does_what_is_written_down() {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, file, grants) in ADAPTERS {
        let actions = grants.iter().flat_map(|(_, actions)| actions.iter().copied());
        files.entry(file).or_default().extend(actions);
    }
    for (file, written) in files {
        let text = source(&format!("shared/infrastructure/dynamodb/src/{file}"));
        let said: BTreeSet<&str> = SAYINGS
            .iter()
            .filter(|(saying, _)| text.contains(saying))
            .map(|(_, action)| *action)
            .collect();
        assert_eq!(said, written, "{file}");
    }
}

#[test]
fn no_statement_and_no_action_is_a_wildcard() {
    let text = document()["Resources"].to_string();
    assert!(!text.contains("dynamodb:*"));
    for (name, function) in resources(&document(), "AWS::Serverless::Function") {
        let policies = function["Properties"]["Policies"].to_string();
        assert!(!policies.contains('*'), "{name}: {policies}");
    }
}
