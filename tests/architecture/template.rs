//! The template and the functions agree on names, settings and routes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use local_lambda::{FunctionSpec, Template};
use platform::settings::Settings;
use tokio::process::Command;

use crate::{document, resources, root};

pub(crate) fn template() -> Template {
    let parameters = BTreeMap::from([
        ("RocketmqNamesrvAddr".to_owned(), "127.0.0.1:9876".to_owned()),
        ("RocketmqSecret".to_owned(), "rocketmq".to_owned()),
        ("RocketmqTlsCaParameter".to_owned(), "ca".to_owned()),
        ("CdnAddressHeader".to_owned(), "CloudFront-Viewer-Address".to_owned()),
        ("CdnSecret".to_owned(), "cdn".to_owned()),
        ("MailSender".to_owned(), "Shop <shop@example.com>".to_owned()),
        ("MailIdentity".to_owned(), "example.com".to_owned()),
        ("MailLinkBase".to_owned(), "https://shop.example.com/account".to_owned()),
    ]);
    Template::load(&root().join("template.yaml"), "orders", &parameters).unwrap()
}

/// A value in place of a dynamic reference, as far as a function checks it at its start.
fn deployed(value: &str) -> &str {
    match value {
        reference if reference.starts_with("{{resolve:ssm:") => "-----BEGIN CERTIFICATE-----",
        reference if reference.starts_with("{{resolve:secretsmanager:") => {
            "a-secret-that-is-long-enough-for-a-cdn"
        }
        plain => plain,
    }
}

/// Whether a function starts with these settings; otherwise its error.
pub(crate) fn reads(function: &str, variables: &BTreeMap<String, String>) -> Result<(), String> {
    let pairs = variables.iter().map(|(name, value)| (name.as_str(), deployed(value)));
    let settings = Settings::from_pairs(pairs);
    match function {
        "api-docs" => api_docs::config::Config::read(settings).map(drop),
        "create-order" => create_order::config::Config::read(settings).map(drop),
        "cancel-order" => cancel_order::config::Config::read(settings).map(drop),
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
        for name in function.environment.keys() {
            assert!(is_read(&function, name), "{} does not read {name}", function.name);
        }
    }
}

/// A variable is read if the function does not start without it, or with an invalid value.
fn is_read(function: &FunctionSpec, name: &str) -> bool {
    let mut without = function.environment.clone();
    without.remove(name);
    reads(&function.name, &without).is_err() || nonsense_is_reported(function, name)
}

/// Invalid for every setting that is not free text; as a log level, it is a directive without a
/// target.
const NONSENSE: &str = "\u{1}=\u{1}";

/// Whether a function reports an invalid value of this setting.
fn nonsense_is_reported(function: &FunctionSpec, name: &str) -> bool {
    let mut environment = function.environment.clone();
    environment.insert(name.to_owned(), NONSENSE.to_owned());
    reads(&function.name, &environment).is_err_and(|error| error.contains(&format!("{name}: ")))
}

/// A setting of a function, as docs/settings.md lists it.
struct Documented {
    name: String,
    required: bool,
}

/// From docs/settings.md.
fn documented(function: &str) -> Vec<Documented> {
    let text = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut table = text.lines().skip_while(|line| !line.starts_with("| setting |"));
    let head = cells(table.next().unwrap());
    let column = head.iter().position(|name| name == function);
    let column = column.unwrap_or_else(|| panic!("docs/settings.md has no {function}"));
    let mut settings = Vec::new();
    for row in table.skip(1).take_while(|line| line.starts_with('|')).map(cells) {
        let required = match row[column].chars().next() {
            Some('R') => true,
            Some('o') => false,
            _ => continue,
        };
        // Names are in backticks: every second part.
        let names = row[1].split('`').skip(1).step_by(2);
        settings.extend(names.map(|name| Documented { name: name.to_owned(), required }));
    }
    settings
}

#[test]
fn every_setting_of_the_template_is_documented() {
    for function in template().functions {
        let documented = documented(&function.name);
        for name in function.environment.keys() {
            let listed = documented.iter().any(|setting| setting.name == *name);
            assert!(listed, "{} in docs/settings.md has no {name}", function.name);
        }
    }
}

#[test]
fn an_empty_environment_is_reported_with_every_required_variable_at_once() {
    for FunctionSpec { name: function, .. } in template().functions {
        // A function without required settings starts.
        let error = reads(&function, &BTreeMap::new()).err().unwrap_or_default();
        for Documented { name, required } in documented(&function) {
            assert_eq!(error.contains(&format!("{name} is not set")), required, "{name}: {error}");
        }
    }
}

#[test]
fn a_wrong_environment_is_reported_with_every_wrong_variable_at_once() {
    for function in template().functions {
        let settings = documented(&function.name);
        let pairs = settings.iter().map(|one| (one.name.clone(), NONSENSE.to_owned()));
        let error = reads(&function.name, &pairs.collect()).unwrap_err();
        for Documented { name, .. } in &settings {
            assert_eq!(
                error.contains(&format!("{name}: ")),
                nonsense_is_reported(&function, name),
                "{} and {name}: {error}",
                function.name
            );
        }
        assert!(!error.contains(NONSENSE), "a wrong value may be a secret: {error}");
    }
}

/// For a function that cannot start, on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_wrongly_configured_function_logs_one_line_and_never_serves() {
    let binaries = harness::system::SystemOptions::isolated(&root()).unwrap().binaries;
    let runtime_api = TcpListener::bind("127.0.0.1:0").unwrap();
    runtime_api.set_nonblocking(true).unwrap();
    for FunctionSpec { name: function, .. } in template().functions {
        let mut command = Command::new(binaries.join(&function));
        command.env_clear().kill_on_drop(true);
        command.env("AWS_LAMBDA_RUNTIME_API", runtime_api.local_addr().unwrap().to_string());
        command.env("RUST_LOG", "info,hyper=loud");
        let ended = tokio::time::timeout(START_LIMIT, command.output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{function} serves")).unwrap_or_else(|error| {
            panic!("{function}: {error}; build the functions first");
        });
        assert!(!ended.status.success(), "{function}");
        let accepted = runtime_api.accept().map_err(|error| error.kind());
        assert!(matches!(accepted, Err(ErrorKind::WouldBlock)), "{function} asks for an event");

        let log = String::from_utf8(ended.stdout).unwrap();
        let [line] = log.lines().collect::<Vec<_>>()[..] else { panic!("{function}: {log}") };
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR", "{function}");
        let error = line["error"].as_str().unwrap();
        let required = documented(&function).into_iter().filter(|setting| setting.required);
        for name in required.map(|setting| setting.name).chain(["RUST_LOG".to_owned()]) {
            assert!(error.contains(&name), "{function} and {name}: {error}");
        }
    }
}

#[test]
fn health_lists_the_methods_that_the_template_routes() {
    let routed: BTreeSet<(String, String)> = template()
        .functions
        .iter()
        .flat_map(|function| &function.routes)
        .filter(|route| route.path != "$default" && route.method != "HEAD")
        .map(|route| (route.method.to_string(), route.path.clone()))
        .collect();
    let listed: BTreeSet<(String, String)> = health::routes::ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.template.to_owned()))
        .collect();
    assert_eq!(listed, routed, "run `cargo xtask contracts`");
}

#[test]
fn every_path_with_get_has_head() {
    for function in template().functions {
        let of = |method: &str| -> BTreeSet<String> {
            let routes = function.routes.iter().filter(|route| route.method == method);
            routes.map(|route| route.path.clone()).collect()
        };
        assert_eq!(of("GET"), of("HEAD"), "{}", function.name);
    }
}

#[test]
fn only_user_login_has_a_setting_for_the_private_key() {
    for function in template().functions {
        let has_key = function.environment.keys().any(|name| name.starts_with("SIGNING_KEY"));
        assert_eq!(has_key, function.name == "user-login", "{}", function.name);
    }
}

#[test]
fn only_user_login_may_read_a_secret() {
    for (name, role) in resources(&document(), "AWS::IAM::Role") {
        let may = role["Properties"]["Policies"].to_string().contains("secretsmanager:");
        assert_eq!(may, name == "UserLoginRole", "{name}");
    }
}
