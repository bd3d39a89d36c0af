//! The template tells the truth about the functions.

use std::collections::{BTreeMap, BTreeSet};

use harness::template::{FunctionSpec, Template};
use platform::settings::Settings;

use crate::{document, resources, root};

pub(crate) fn template() -> Template {
    let parameters = BTreeMap::from([
        ("RocketmqNamesrvAddr".to_owned(), "127.0.0.1:9876".to_owned()),
        ("RocketmqSecret".to_owned(), "rocketmq".to_owned()),
        ("RocketmqTlsCaParameter".to_owned(), "ca".to_owned()),
    ]);
    Template::load(&root().join("template.yaml"), "orders", &parameters).unwrap()
}

/// What CloudFormation puts in place of a dynamic reference, as far as a start looks at it.
fn deployed(value: &str) -> &str {
    match value {
        reference if reference.starts_with("{{resolve:ssm:") => "-----BEGIN CERTIFICATE-----",
        reference if reference.starts_with("{{resolve:secretsmanager:") => "secret",
        plain => plain,
    }
}

/// Whether a function starts with these settings, and what it says if not.
pub(crate) fn reads(function: &str, variables: &BTreeMap<String, String>) -> Result<(), String> {
    let pairs = variables.iter().map(|(name, value)| (name.as_str(), deployed(value)));
    let settings = Settings::from_pairs(pairs);
    match function {
        "create-order" => create_order::config::Config::read(settings).map(drop),
        "get-order" => get_order::config::Config::read(settings).map(drop),
        "register-user" => register_user::config::Config::read(settings).map(drop),
        "user-account" => user_account::config::Config::read(settings).map(drop),
        "user-login" => user_login::config::Config::read(settings).map(drop),
        "health" => health::config::Config::read(settings).map(drop),
        "event-consumer" => event_consumer::config::Config::read(settings).map(drop),
        "transaction-check" => transaction_check::config::Config::read(settings).map(drop),
        other => panic!("no test knows {other}"),
    }
    .map_err(|error| error.to_string())
}

#[test]
fn every_function_of_the_workspace_is_in_the_template() {
    let folders: BTreeSet<String> = std::fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let named: BTreeSet<String> = template().functions.iter().map(|f| f.name.clone()).collect();
    assert_eq!(named, folders);
}

#[test]
fn every_function_starts_with_the_environment_that_the_template_gives_it() {
    for function in template().functions {
        assert_eq!(reads(&function.name, &function.environment), Ok(()), "{}", function.name);
    }
}

#[test]
fn every_variable_that_the_template_sets_is_read() {
    for function in template().functions {
        for name in function.environment.keys().filter(|name| *name != "RUST_LOG") {
            assert!(is_read(&function, name), "{} does not read {name}", function.name);
        }
    }
}

/// A variable is read if nonsense in it, or its absence, stops the start.
fn is_read(function: &FunctionSpec, name: &str) -> bool {
    let mut without = function.environment.clone();
    without.remove(name);
    let mut nonsense = function.environment.clone();
    nonsense.insert(name.to_owned(), "\u{1}".to_owned());
    reads(&function.name, &without).is_err() || reads(&function.name, &nonsense).is_err()
}

#[test]
fn a_wrong_environment_is_told_with_every_wrong_variable_at_once() {
    let wrong = BTreeMap::from([
        ("ROCKETMQ_NAMESRV_ADDR".to_owned(), "nowhere".to_owned()),
        ("ORDERS_TABLE".to_owned(), "!".to_owned()),
    ]);
    let told = reads("create-order", &wrong).unwrap_err();
    for name in [
        "ROCKETMQ_NAMESRV_ADDR",
        "ROCKETMQ_GROUP_PREFIX",
        "ORDERS_TABLE",
        "EVENTS_TABLE",
        "CATALOG_TABLE",
        "KEYS_TABLE",
    ] {
        assert!(told.contains(name), "{name}: {told}");
    }
}

#[test]
fn what_health_says_about_methods_is_what_the_template_routes() {
    let routed: BTreeSet<(String, String)> = template()
        .functions
        .iter()
        .flat_map(|function| &function.routes)
        .filter(|route| route.path != "$default")
        .map(|route| (route.method.to_string(), route.path.clone()))
        .collect();
    let told: BTreeSet<(String, String)> = health::ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.template.to_owned()))
        .collect();
    assert_eq!(told, routed);
}

#[test]
fn no_function_but_user_login_is_told_where_the_private_key_is() {
    for function in template().functions {
        let told = function.environment.keys().any(|name| name.starts_with("SIGNING_KEY"));
        assert_eq!(told, function.name == "user-login", "{}", function.name);
    }
}

#[test]
fn no_function_but_user_login_may_read_a_secret() {
    for (name, role) in resources(&document(), "AWS::IAM::Role") {
        let may = role["Properties"]["Policies"].to_string().contains("secretsmanager:");
        assert_eq!(may, name == "UserLoginRole", "{name}");
    }
}
