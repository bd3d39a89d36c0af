//! Each function has its own role, which permits only what the function needs.
//!
//! The roles' permissions on tables are compared with the functions' calls in the tests: a call
//! that a role does not permit is refused there (`harness::roles`), and `cargo xtask permissions`
//! fails for a permission that no test used.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::template::template;
use crate::{document, resources};

/// A string, or a list of them.
fn items(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The statement that permits a function to write its log.
const LOGS: &str = "Logs";

/// The statements of a role or a policy.
fn statements_of(resource: &Value) -> Vec<&Value> {
    let properties = &resource["Properties"];
    let inline = properties["Policies"].as_array().into_iter().flatten();
    let documents = inline.map(|policy| &policy["PolicyDocument"]);
    documents
        .chain(properties.get("PolicyDocument"))
        .flat_map(|document| document["Statement"].as_array().expect("policies are written out"))
        .collect()
}

#[test]
fn a_role_permits_calls_to_tables_and_only_user_login_reads_the_private_key() {
    let document = document();
    let roles: BTreeMap<_, _> = resources(&document, "AWS::IAM::Role").into_iter().collect();
    let mut readers = BTreeSet::new();
    for function in template().functions {
        let statements = statements_of(roles[role_of(&function.logical_id).as_str()]);
        for statement in statements.iter().filter(|statement| statement["Sid"] != LOGS) {
            let actions = items(&statement["Action"]);
            let on_tables = |action: &&Value| action.as_str().unwrap().starts_with("dynamodb:");
            if !actions.iter().all(on_tables) {
                assert_eq!(statement["Action"], "secretsmanager:GetSecretValue");
                assert_eq!(statement["Resource"], json!({"Ref": "SigningKeySecret"}));
                readers.insert(function.name.clone());
            }
        }
        assert!(function.permissions.is_some(), "{} is held to no role", function.name);
    }
    assert_eq!(readers, BTreeSet::from(["user-login".to_owned()]));
}

fn role_of(function: &str) -> String {
    function.replace("Function", "Role")
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
    // docs/adr/0013-roles-of-our-own.md gives the reasons.
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
