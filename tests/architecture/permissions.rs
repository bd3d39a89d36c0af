//! Each function has the permissions on the tables that its adapters need, and no more.
//!
//! A function's source names its adapters, and the ports of each that it uses. The actions of each
//! port are listed here. They are compared with the adapter's source, and with the statements of
//! the function's role: each port has its own statements, named after it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::template::template;
use crate::{document, resources, root};

/// What a statement permits: tables, indexes of them or a secret, and the actions on each of them.
type Grant = (BTreeSet<String>, BTreeSet<String>);

/// The statements of a role by their names.
type Statements = BTreeMap<String, Grant>;

/// A part of an adapter that a function can use, and the actions that it needs.
struct Side {
    adapter: &'static str,
    /// The word in a function's source that shows that it uses this part: a port that its handler
    /// is bounded by, or the adapter's name if it has only one part.
    word: &'static str,
    /// The source file below `shared/infrastructure/dynamodb/src`.
    file: &'static str,
    /// Resources with actions. The parts of a `TransactWriteItems` are permitted by their own
    /// actions.
    does: &'static [(&'static str, &'static [&'static str])],
}

impl Side {
    /// The port, after which its statements are named.
    fn port(&self) -> &str {
        match self.word.strip_prefix("Dynamo") {
            Some(port) => port,
            None => self.word.trim_start_matches("Cached"),
        }
    }

    /// One statement for each set of actions, with all tables and indexes that need it.
    fn statements(&self) -> Statements {
        let mut ways: BTreeMap<&[&str], Vec<&str>> = BTreeMap::new();
        for (resource, actions) in self.does {
            ways.entry(actions).or_default().push(resource);
        }
        let is_one_statement = ways.len() == 1;
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let statements = ways.into_iter().map(|(actions, resources)| {
            let name = if is_one_statement {
                self.port().to_owned()
            } else {
                format!("{}On{}", self.port(), part_of(&resources))
            };
            (name, (owned(&resources), owned(actions)))
        });
        statements.collect()
    }
}

/// The part of a statement's name that stands for its tables or indexes.
fn part_of(resources: &[&str]) -> String {
    if resources.iter().all(|resource| resource.contains("/index/")) {
        return "Indexes".to_owned();
    }
    let tables: Vec<&str> =
        resources.iter().map(|resource| resource.trim_end_matches("Table")).collect();
    tables.join("And")
}

const fn whole(
    adapter: &'static str,
    file: &'static str,
    does: &'static [(&'static str, &'static [&'static str])],
) -> Side {
    Side { adapter, word: adapter, file, does }
}

/// A part of [`dynamodb::DynamoAccounts`], which keeps the users table for several ports.
const fn of_accounts(
    word: &'static str,
    file: &'static str,
    does: &'static [(&'static str, &'static [&'static str])],
) -> Side {
    Side { adapter: "DynamoAccounts", word, file, does }
}

/// A part of [`dynamodb::DynamoOrders`], which keeps the orders table for several ports.
const fn of_orders(
    word: &'static str,
    file: &'static str,
    does: &'static [(&'static str, &'static [&'static str])],
) -> Side {
    Side { adapter: "DynamoOrders", word, file, does }
}

/// A part of [`dynamodb::DynamoAggregates`], which keeps pending events for several ports.
const fn of_aggregates(
    word: &'static str,
    file: &'static str,
    does: &'static [(&'static str, &'static [&'static str])],
) -> Side {
    Side { adapter: "DynamoAggregates", word, file, does }
}

/// For operators' commands only: no function's source has this word.
const FOR_OPERATORS: &str = "for operators";

const SIDES: &[Side] = &[
    of_accounts("Accounts", "users/accounts.rs", &[("UsersTable", &["GetItem"])]),
    of_accounts(
        "AccountRepository",
        "users/accounts.rs",
        &[("UsersTable", &["PutItem", "UpdateItem"])],
    ),
    of_accounts(
        "AccountRemoval",
        "users/account_removal.rs",
        &[("UsersTable", &["UpdateItem", "DeleteItem", "Query", "BatchWriteItem"])],
    ),
    of_accounts("ActivityLog", "users/activities.rs", &[("UsersTable", &["PutItem"])]),
    of_accounts("ActivityReader", "users/activities.rs", &[("UsersTable", &["Query"])]),
    of_accounts(
        "GuessRecords",
        "users/guesses.rs",
        &[("UsersTable", &["GetItem", "PutItem", "DeleteItem"])],
    ),
    of_accounts(
        "KnownSourceRemoval",
        "users/account_removal.rs",
        &[("UsersTable", &["BatchWriteItem", "Query"])],
    ),
    of_accounts("KnownSources", "users/sources.rs", &[("UsersTable", &["GetItem", "PutItem"])]),
    of_accounts("MailRequests", "users/mails.rs", &[("UsersTable", &["GetItem"])]),
    of_accounts(
        "MailRepository",
        "users/mails.rs",
        &[("UsersTable", &["PutItem", "UpdateItem", "DeleteItem"])],
    ),
    of_accounts(
        "Sessions",
        "users/sessions.rs",
        &[("UsersTable", &["GetItem", "PutItem", "UpdateItem"])],
    ),
    Side {
        adapter: "DynamoVerificationKeys",
        word: "CachedVerificationKeys",
        file: "verification_keys.rs",
        does: &[("KeysTable", &["GetItem"])],
    },
    Side {
        adapter: "DynamoVerificationKeys",
        word: "PublishedKeys",
        file: "verification_keys.rs",
        does: &[("KeysTable", &["Scan"])],
    },
    whole("DynamoCatalog", "catalog/prices.rs", &[("CatalogTable", &["BatchGetItem"])]),
    whole(
        "DynamoDeadLetterMoves",
        "aggregates/letters.rs",
        &[
            ("OrdersTable", &["UpdateItem"]),
            ("UsersTable", &["UpdateItem"]),
            ("DeadLettersTable", &["PutItem"]),
        ],
    ),
    Side {
        adapter: "DynamoDeadLetterMoves",
        word: FOR_OPERATORS,
        file: "aggregates/letters.rs",
        does: &[("DeadLettersTable", &["DeleteItem"])],
    },
    of_orders("OrderCreation", "aggregates/creation.rs", &[("OrdersTable", &["PutItem"])]),
    of_orders("OrderKeys", "aggregates/order_keys.rs", &[("OrdersTable", &["GetItem"])]),
    of_orders(
        "OrderListing",
        "aggregates/order_listing.rs",
        &[("OrdersTable/index/by_user", &["Query"]), ("OrdersTable", &["BatchGetItem"])],
    ),
    whole("DynamoProductListing", "catalog/listing.rs", &[("CatalogTable", &["Scan"])]),
    of_orders("Fences", "aggregates/fence.rs", &[("OrdersTable", &["UpdateItem"])]),
    of_aggregates(
        "PendingEventStore",
        "aggregates/store.rs",
        &[("OrdersTable", &["GetItem", "UpdateItem"]), ("UsersTable", &["GetItem", "UpdateItem"])],
    ),
    of_aggregates(
        "PendingEventIndex",
        "aggregates/index.rs",
        &[
            ("OrdersTable/index/pending", &["Query"]),
            ("UsersTable/index/pending", &["Query"]),
            ("OrdersTable", &["UpdateItem"]),
            ("UsersTable", &["UpdateItem"]),
        ],
    ),
    of_aggregates("MailTokens", "aggregates/mail_tokens.rs", &[("UsersTable", &["UpdateItem"])]),
    of_aggregates(
        "Reservations",
        "aggregates/reservations.rs",
        &[("OrdersTable", &["UpdateItem"]), ("CatalogTable", &["UpdateItem"])],
    ),
    whole(
        "DynamoStockReturns",
        "aggregates/reservations.rs",
        &[("OrdersTable", &["UpdateItem"]), ("CatalogTable", &["UpdateItem"])],
    ),
    Side {
        adapter: "DynamoAggregateReader",
        word: "PendingEventAges",
        file: "aggregate_reader/ages.rs",
        does: &[
            ("OrdersTable/index/pending", &["Query"]),
            ("UsersTable/index/pending", &["Query"]),
        ],
    },
    // It reads from the tables that health names.
    whole(
        "DynamoTables",
        "tables.rs",
        &[
            ("OrdersTable", &["GetItem"]),
            ("CatalogTable", &["GetItem"]),
            ("KeysTable", &["GetItem"]),
        ],
    ),
    whole(
        "DynamoUserRepository",
        "users/registration.rs",
        &[("UsersTable", &["PutItem", "UpdateItem"])],
    ),
];

/// The calls in an adapter's source, with the action that each needs.
const CALLS: &[(&str, &str)] = &[
    (".batch_get_item()", "BatchGetItem"),
    ("read_all(", "BatchGetItem"),
    (".get_item()", "GetItem"),
    ("get(&self.client", "GetItem"),
    (".query()", "Query"),
    (".batch_write_item()", "BatchWriteItem"),
    (".scan()", "Scan"),
    (".put_item()", "PutItem"),
    (".put(", "PutItem"),
    (".put_if(", "PutItem"),
    ("put_changed(", "PutItem"),
    (".put_if_absent(", "PutItem"),
    (".update_item()", "UpdateItem"),
    (".update(", "UpdateItem"),
    (".delete_item()", "DeleteItem"),
    (".delete(", "DeleteItem"),
    (".delete_if(", "DeleteItem"),
];

fn source(path: &str) -> String {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    // The tests in a file need no permission.
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The port, the secret and the action that read the private key; only user-login uses it.
const KEY_SOURCE: (&str, &str, &str) =
    ("KeySource", "SigningKeySecret", "secretsmanager:GetSecretValue");

/// The words of a function's source.
fn words_of(function: &str) -> BTreeSet<String> {
    let words = ["main.rs", "lib.rs"].map(|file| {
        let text = source(&format!("functions/{function}/src/{file}"));
        let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned);
        words.collect::<Vec<_>>()
    });
    words.into_iter().flatten().collect()
}

/// The adapters that a function is wired with.
fn adapters_of(words: &BTreeSet<String>) -> impl Iterator<Item = &String> {
    words.iter().filter(|word| word.starts_with("Dynamo") && *word != "Dynamo")
}

fn needed_by(function: &str) -> Statements {
    let words = words_of(function);
    let mut needed = Statements::new();
    for adapter in adapters_of(&words) {
        let mut used = SIDES
            .iter()
            .filter(|side| side.adapter == adapter && words.contains(side.word))
            .peekable();
        assert!(used.peek().is_some(), "list here the actions of {adapter} for {function}");
        needed.extend(used.flat_map(Side::statements));
    }
    let (word, secret, action) = KEY_SOURCE;
    if words.contains(word) {
        let grant = (BTreeSet::from([secret.to_owned()]), BTreeSet::from([action.to_owned()]));
        needed.insert(word.to_owned(), grant);
    }
    needed
}

/// A string, or a list of them.
fn items(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The table, the index of it, or the secret that an ARN names.
fn resource(arn: &Value) -> String {
    let text = match (arn.get("Fn::GetAtt"), arn.get("Fn::Sub"), arn.get("Ref")) {
        (Some(attribute), _, _) => attribute.as_str().unwrap().to_owned(),
        (_, Some(text), _) => text.as_str().unwrap().replace(['$', '{', '}'], ""),
        (_, _, Some(secret)) => secret.as_str().unwrap().to_owned(),
        _ => panic!("not one table or index: {arn}"),
    };
    text.replace(".Arn", "")
}

/// The statement that lets a function write its log.
const LOGS: &str = "Logs";

/// The statements of a role, or of a policy.
fn statements_of(resource: &Value) -> Vec<&Value> {
    let properties = &resource["Properties"];
    let inline = properties["Policies"].as_array().into_iter().flatten();
    let documents = inline.map(|policy| &policy["PolicyDocument"]);
    documents
        .chain(properties.get("PolicyDocument"))
        .flat_map(|document| document["Statement"].as_array().expect("policies are written out"))
        .collect()
}

/// The statements of a role, except the one for its log, by port.
fn granted_to(role: &Value) -> Statements {
    let mut granted = Statements::new();
    for statement in statements_of(role) {
        let sid = statement["Sid"].as_str().expect("a statement is named by its port");
        if sid == LOGS {
            continue;
        }
        let resources = items(&statement["Resource"]).into_iter().map(resource).collect();
        let actions = items(&statement["Action"]).into_iter().map(|action| {
            let action = action.as_str().unwrap();
            action.strip_prefix("dynamodb:").unwrap_or(action).to_owned()
        });
        let before = granted.insert(sid.to_owned(), (resources, actions.collect()));
        assert_eq!(before, None, "{sid} exists twice");
    }
    granted
}

#[test]
fn each_role_has_a_statement_per_port_that_permits_what_its_adapter_does_and_no_more() {
    let document = document();
    let roles: BTreeMap<_, _> = resources(&document, "AWS::IAM::Role").into_iter().collect();
    for function in template().functions {
        let granted = granted_to(roles[role_of(&function.logical_id).as_str()]);
        assert_eq!(granted, needed_by(&function.name), "{}", function.name);
    }
}

/// The role of a function, as the template calls it.
fn role_of(function: &str) -> String {
    function.replace("Function", "Role")
}

#[test]
fn each_adapter_needs_the_actions_that_are_listed() {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Side { file, does, .. } in SIDES {
        let actions = does.iter().flat_map(|(_, actions)| actions.iter().copied());
        files.entry(file).or_default().extend(actions);
    }
    for (file, written) in files {
        let text = source(&format!("shared/infrastructure/dynamodb/src/{file}"));
        let found: BTreeSet<&str> = CALLS
            .iter()
            .filter(|(call, _)| text.contains(call))
            .map(|(_, action)| *action)
            .collect();
        assert_eq!(found, written, "{file}");
    }
}

#[test]
fn each_function_has_a_role_of_its_own_with_what_every_function_needs() {
    let document = document();
    for (name, function) in resources(&document, "AWS::Serverless::Function") {
        let (function, role) = (&function["Properties"], role_of(name));
        assert_eq!(function["Role"], json!({"Fn::GetAtt": format!("{role}.Arn")}), "{name}");
        let role = &document["Resources"][role];
        let mut managed = vec![json!({"Ref": "TracingPolicy"})];
        if !function["VpcConfig"].is_null() {
            managed.push(json!({"Fn::If": [
                "InVpc", {"Ref": "NetworkInterfacesPolicy"}, {"Ref": "AWS::NoValue"},
            ]}));
        }
        assert_eq!(role["Properties"]["ManagedPolicyArns"], json!(managed), "{name}");
        let statements = statements_of(role);
        let logs = statements.iter().find(|statement| statement["Sid"] == LOGS).unwrap();
        let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
        assert_eq!(logs["Resource"], json!({"Fn::GetAtt": format!("{group}.Arn")}), "{name}");
        assert_eq!(logs["Action"], json!(["logs:CreateLogStream", "logs:PutLogEvents"]), "{name}");
    }
}

#[test]
fn only_actions_that_aws_cannot_restrict_are_permitted_on_all_resources() {
    let document = document();
    let holders = ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy"];
    let mut on_all = BTreeSet::new();
    for (name, holder) in holders.iter().flat_map(|holder| resources(&document, holder)) {
        for statement in statements_of(holder).into_iter().filter(|one| one["Effect"] == "Allow") {
            for action in items(&statement["Action"]) {
                let action = action.as_str().unwrap();
                assert!(!action.contains('*'), "{name}: {action}");
                if statement["Resource"] == "*" {
                    on_all.insert(action.to_owned());
                }
            }
            let resources = statement["Resource"].to_string();
            assert!(
                statement["Resource"] == "*" || !resources.contains('*'),
                "{name}: {resources}"
            );
        }
    }
    // docs/adr/0013-roles-of-our-own.md says why these.
    let without_names = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ];
    assert_eq!(on_all, without_names.map(str::to_owned).into());
}

#[test]
fn mails_are_permitted_only_where_they_are_sent_and_from_one_identity() {
    let document = document();
    let policy = &document["Resources"]["MailPolicy"];
    assert_eq!(policy["Condition"], "SendsMails");
    assert_eq!(policy["Properties"]["Roles"], json!([{"Ref": "EventConsumerRole"}]));
    let [statement] = statements_of(policy)[..] else { panic!("not one statement") };
    assert_eq!(statement["Action"], "ses:SendEmail");
    let identity = statement["Resource"]["Fn::Sub"].as_str().unwrap();
    assert!(identity.ends_with(":identity/${MailIdentity}"), "{identity}");
    let others: Vec<_> = resources(&document, "AWS::IAM::Policy").into_iter().collect();
    assert_eq!(others.len(), 1, "a policy of its own escapes the tests of the roles");
}

#[test]
fn a_policy_that_only_records_settings_permits_nothing() {
    let document = document();
    for name in ["ClusterSettings", "CdnSettings", "ConsumerSettings"] {
        for statement in statements_of(&document["Resources"][name]) {
            assert_eq!(statement["Effect"], "Deny", "{name}");
        }
    }
}

#[test]
fn a_functions_code_may_not_use_its_roles_permissions_on_network_interfaces() {
    let document = document();
    let [lambda, code] = statements_of(&document["Resources"]["NetworkInterfacesPolicy"])[..]
    else {
        panic!("not two statements");
    };
    assert_eq!((&lambda["Effect"], &code["Effect"]), (&json!("Allow"), &json!("Deny")));
    assert_eq!(lambda["Action"], code["Action"]);
    assert!(code["Condition"]["ArnLike"]["lambda:SourceFunctionArn"].is_object());
}
