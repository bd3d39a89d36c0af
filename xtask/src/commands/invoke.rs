//! `cargo xtask invoke FUNCTION FILE`: sends one event to one function.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use harness::system::SystemOptions;
use local_lambda::{Children, FunctionSpec, HostOptions, LambdaHost, Template, yaml_document};
use serde_json::Value;

use super::up::STACK_NAME;
use crate::build;
use harness::progress::Progress;

/// The function runs alone. It uses the cluster and the table of a running `cargo xtask up`, unless
/// the options, the environment or `.env` (in this order) name others.
#[derive(Args)]
pub(crate) struct Options {
    /// The function, such as create-order.
    function: String,
    /// The file with the event.
    file: PathBuf,
    /// The name servers.
    #[arg(long, value_name = "ADDR")]
    namesrv: Option<String>,
    /// The DynamoDB endpoint.
    #[arg(long, value_name = "URL")]
    table: Option<String>,
    /// The access token that replaces PASTE-AN-ACCESS-TOKEN in the samples.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

const TOKEN_PLACEHOLDER: &str = "PASTE-AN-ACCESS-TOKEN";

/// The default addresses of `up`.
const NAMESRV: &str = "127.0.0.1:9876";
const TABLE: &str = "http://127.0.0.1:8001";

const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const NAMESRV_ADDR: &str = "ROCKETMQ_NAMESRV_ADDR";

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = harness::checkout::root()?;
    let event = tokio::fs::read_to_string(&options.file)
        .await
        .with_context(|| format!("cannot read {}", options.file.display()))?;
    let event = match &options.token {
        Some(token) => event.replace(TOKEN_PLACEHOLDER, token),
        None => event,
    };
    if event.contains(TOKEN_PLACEHOLDER) {
        eprintln!("note: the event's token is {TOKEN_PLACEHOLDER}; --token replaces it");
    }
    let settings = dot_env(&root.join(".env"))?;
    let function = function(&root, &options.function, &settings)?;

    let progress = Progress::new();
    progress.first("building the function");
    build::functions(&root, std::slice::from_ref(&function.name)).await?;
    progress.finish();

    let names = variables(&yaml_document(&root.join("template.yaml"))?, &function);
    let environment = environment(&settings, &names, &options);
    let children = Children::new().context("/bin/sh cannot be started")?;
    let host = HostOptions {
        freeze: false,
        instances_max: 1,
        environment,
        ..HostOptions::new(SystemOptions::isolated(&root)?.binaries)
    };
    let host = LambdaHost::start(std::slice::from_ref(&function), host, &children)?;
    let result = tokio::select! {
        result = host.invoke(&function.name, event) => result?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            host.stop().await;
            return Ok(ExitCode::from(130));
        }
    };
    host.stop().await;
    println!("{}", String::from_utf8_lossy(&result.payload));
    Ok(if result.function_error.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn function(
    root: &Path,
    name: &str,
    settings: &BTreeMap<String, String>,
) -> anyhow::Result<FunctionSpec> {
    let mut parameters = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), NAMESRV.to_owned())]);
    // Without this file the template names a secret, which exists only on AWS.
    let signing_key = setting(settings, "SIGNING_KEY_FILE");
    parameters.extend(signing_key.map(|file| ("SigningKeyFile".to_owned(), file)));
    let template = Template::load(&root.join("template.yaml"), STACK_NAME, &parameters)?;
    template.function(name).cloned().with_context(|| {
        let names: Vec<_> = template.functions.iter().map(|one| one.name.as_str()).collect();
        format!("unknown function {name}; the functions are {}", names.join(", "))
    })
}

/// From the environment; if not there, from `.env`.
#[expect(clippy::disallowed_methods, reason = "the settings of a function, not of this program")]
fn setting(settings: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let ours = std::env::var_os(name).and_then(|value| value.into_string().ok());
    ours.filter(|value| !value.is_empty()).or_else(|| settings.get(name).cloned())
}

/// The names of all variables of the function in the template, including those that are left out
/// without a parameter, such as the credentials of a cluster.
fn variables(template: &Value, function: &FunctionSpec) -> BTreeSet<String> {
    let globals = template.pointer("/Globals/Function/Environment/Variables");
    let pointer = format!("/Resources/{}/Properties/Environment/Variables", function.logical_id);
    [globals, template.pointer(&pointer)]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|variables| variables.keys().cloned())
        .collect()
}

fn environment(
    settings: &BTreeMap<String, String>,
    names: &BTreeSet<String>,
    options: &Options,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([(ENDPOINT.to_owned(), TABLE.to_owned())]);
    for name in names.iter().map(String::as_str).chain([ENDPOINT]) {
        environment.extend(setting(settings, name).map(|value| (name.to_owned(), value)));
    }
    let given = [(ENDPOINT, &options.table), (NAMESRV_ADDR, &options.namesrv)];
    for (name, value) in given {
        environment.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
    }
    environment
}

/// The `NAME=value` lines of a file. Comments and empty lines are skipped; a missing file counts as
/// empty.
fn dot_env(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    parse_dot_env(&text)
}

fn parse_dot_env(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    text.lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("line {} of .env is not NAME=value", index + 1))?;
            let value = value.trim().trim_matches('"').trim_matches('\'');
            Ok((name.trim().to_owned(), value.to_owned()))
        })
        .filter(|pair| !pair.as_ref().is_ok_and(|(_, value)| value.is_empty()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use local_lambda::yaml_document;

    use super::{Options, environment, function, parse_dot_env, variables};
    use crate::workspace;

    #[test]
    fn comments_empty_lines_and_empty_values_are_skipped() {
        let parsed = parse_dot_env("# a comment\n\nA=1\nB = \"two words\"\nC=\n").unwrap();
        let pairs: Vec<_> = parsed.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words")]);
    }

    #[test]
    fn a_line_without_a_value_is_named() {
        let error = parse_dot_env("A=1\nnonsense\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn the_example_is_a_valid_file() {
        let text = include_str!("../../../.env.example");
        assert!(parse_dot_env(text).unwrap().contains_key("ROCKETMQ_NAMESRV_ADDR"));
    }

    #[test]
    fn a_cluster_with_access_control_and_tls_can_be_set_in_dot_env() {
        let root = harness::checkout::root().unwrap();
        let function = function(&root, "create-order", &BTreeMap::new()).unwrap();
        let names = variables(&yaml_document(&root.join("template.yaml")).unwrap(), &function);
        let secured = ["ROCKETMQ_ACCESS_KEY", "ROCKETMQ_SECRET_KEY", "ROCKETMQ_TLS_CA"];
        let mut settings: BTreeMap<_, _> =
            secured.map(|name| (name.to_owned(), format!("of {name}"))).into();
        settings.insert("NOT_IN_THE_TEMPLATE".to_owned(), "1".to_owned());
        let options = Options {
            function: "create-order".to_owned(),
            file: "none".into(),
            namesrv: Some("mq.example:9876".to_owned()),
            table: None,
            token: None,
        };
        let environment = environment(&settings, &names, &options);
        for name in secured {
            assert_eq!(environment[name], format!("of {name}"));
        }
        assert_eq!(environment["ROCKETMQ_NAMESRV_ADDR"], "mq.example:9876");
        assert!(!environment.contains_key("NOT_IN_THE_TEMPLATE"));
    }

    /// Variables that make no sense on this machine: no CDN is in front of a function here, and its
    /// signing key is in a file.
    const ONLY_ON_AWS: [&str; 4] =
        ["CDN_ADDRESS_HEADER", "CDN_SECRET_HEADER", "CDN_SECRET", "SIGNING_KEY_SECRET"];

    #[test]
    fn the_example_has_the_variables_of_all_functions() {
        let root = harness::checkout::root().unwrap();
        let template = yaml_document(&root.join("template.yaml")).unwrap();
        // Variables of the SDK, which Lambda sets and `cargo lambda watch` does not.
        let of_sdk = ["REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"].into_iter();
        let of_sdk = of_sdk.chain(["ENDPOINT_URL_DYNAMODB", "ENDPOINT_URL_SESV2"]);
        let mut expected: BTreeSet<_> = of_sdk.map(|name| format!("AWS_{name}")).collect();
        for name in workspace::function_names(&root).unwrap() {
            let function = function(&root, &name, &BTreeMap::new()).unwrap();
            expected.extend(variables(&template, &function));
        }
        for name in ONLY_ON_AWS {
            assert!(expected.remove(name), "no function has {name}");
        }
        let example = include_str!("../../../.env.example");
        let lines = example.lines().filter(|line| !line.starts_with('#'));
        let names = lines.filter_map(|line| line.split_once('='));
        let found: BTreeSet<_> = names.map(|(name, _)| name.to_owned()).collect();
        assert_eq!(found, expected);
    }
}
