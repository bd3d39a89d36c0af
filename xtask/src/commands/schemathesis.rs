//! `cargo xtask schemathesis`: tests the running system against `docs/openapi.yaml`.
//!
//! Schemathesis makes requests from the document, valid and invalid ones and sequences of them, and
//! compares each answer with it. `tests/specifications/schemathesis/` has its settings.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use harness::checkout;
use harness::mailbox::Mailbox;
use harness::system::{System, SystemOptions};
use local_lambda::FileSink;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use crate::{build, workspace};

/// Starts a system with its own ports, tables and topics, and ends it. A failure shows its request
/// as a curl command, and the seed that makes the same requests again.
#[derive(Args)]
pub(crate) struct Options {
    /// Makes requests for twenty minutes.
    #[arg(long)]
    long: bool,
    /// Repeats the requests of an earlier run.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Requests for each operation in a round, and the duration of a run. Its last phases, at random
/// and along links, repeat their rounds until that is over.
struct Effort {
    max_examples: &'static str,
    max_time_s: &'static str,
    /// Operations that must answer 2xx, besides those of each run.
    reached: &'static [&'static str],
    /// Whether a link of the document must be followed.
    links: bool,
}

const SHORT: Effort = Effort { max_examples: "10", max_time_s: "45", reached: &[], links: false };
const LONG: Effort = Effort {
    max_examples: "100",
    max_time_s: "1200",
    // A short run follows the links of what it has created by chance only.
    reached: &["askToConfirmEmail", "cancelOrder", "getOrder"],
    links: true,
};

/// The users of `users.yaml`.
const USERS: [&str; 2] = ["one@example.com", "other@example.com"];
const PASSWORD: &str = "a sentence that nobody guesses";

/// Operations that answer 2xx in each run, whatever its seed and effort. The others need the token
/// of a mail or the password of the user who asks, which no run is sure to send.
const REACHED: [&str; 13] = [
    "askToResetPassword",
    "createOrder",
    "listActivity",
    "listOrders",
    "listProducts",
    "listPublicKeys",
    "logIn",
    "logOut",
    "refreshSession",
    "registerUser",
    "showAccount",
    "showHealth",
    "showReadiness",
];

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = checkout::root()?;
    let settings = root.join("tests/specifications/schemathesis");
    let folder = workspace::target()?.join("schemathesis");
    let program = install(&folder, &settings.join("requirements.txt")).await?;
    build::functions(&root, &workspace::function_names(&root)?).await?;
    let log = folder.join("system.log");
    let sink = FileSink::append(&log)?;
    let mut system = SystemOptions::isolated(&root)?;
    system.sink = Some(Arc::new(sink));
    // Without a sender the routes of mails answer 501.
    system.pages = Some(Mailbox::of(&mut system).router());
    let system = System::start(system).await.with_context(|| format!("see {}", log.display()))?;
    let outcome = try_out(&options, &system.api_url, &program, &settings, &folder).await;
    system.stop().await;
    outcome
}

/// Installs Schemathesis into a separate environment, and returns its program.
async fn install(folder: &Path, requirements: &Path) -> anyhow::Result<PathBuf> {
    let wanted = tokio::fs::read_to_string(requirements).await?;
    let marker = folder.join("installed.txt");
    let program = folder.join("bin/schemathesis");
    // The marker is written last, so that an interrupted installation is repeated.
    if tokio::fs::read_to_string(&marker).await.is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    let pip = folder.join("bin/pip");
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(folder);
    let mut installation = Command::new(pip);
    installation
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements);
    for mut command in [environment, installation] {
        let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await;
        let status = status.context("cannot start python3")?;
        anyhow::ensure!(status.success(), "Schemathesis cannot be installed");
    }
    tokio::fs::write(&marker, wanted).await?;
    Ok(program)
}

async fn try_out(
    options: &Options,
    api_url: &str,
    program: &Path,
    settings: &Path,
    folder: &Path,
) -> anyhow::Result<ExitCode> {
    let client = reqwest::Client::new();
    for email in USERS {
        let user = json!({"email": email, "password": PASSWORD});
        let answer = client.post(format!("{api_url}/v1/users")).json(&user).send().await?;
        anyhow::ensure!(answer.status().as_u16() == 201, "no user was registered: {answer:?}");
    }
    let counts = folder.join("successes.json");
    // Counts of an earlier run prove nothing about this one.
    match tokio::fs::remove_file(&counts).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let effort = if options.long { LONG } else { SHORT };
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .args(["run", "--url", api_url, "--max-examples", effort.max_examples])
        .args(["--max-time", effort.max_time_s, "--continue-on-failure", "--no-color"])
        .arg(checkout::root()?.join("docs/openapi.yaml"))
        .env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"))
        .env("SCHEMATHESIS_USERS", settings.join("users.yaml"))
        .env("SCHEMATHESIS_SUCCESSES", &counts)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Its notes on failures are for the next run.
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    let status = command.status().await.context("cannot start Schemathesis")?;
    // It has printed nothing then.
    anyhow::ensure!(status.code().is_some(), "Schemathesis was ended by a {status}");
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    let counts = tokio::fs::read_to_string(&counts).await.context("hooks.py counted nothing")?;
    let successes: Successes = serde_json::from_str(&counts)?;
    println!("{}", successes.summary());
    successes.suffice(&effort)?;
    Ok(ExitCode::SUCCESS)
}

/// How many answers with 2xx `hooks.py` counted: by operation, and by link of the document those to
/// requests that followed it.
#[derive(Deserialize)]
struct Successes {
    operations: BTreeMap<String, u64>,
    links: BTreeMap<String, u64>,
}

impl Successes {
    fn summary(&self) -> String {
        let operations: Vec<String> =
            self.operations.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let followed: u64 = self.links.values().sum();
        let (operations, links) = (operations.join(", "), self.links.len());
        format!("Answers with 2xx: {operations}; along links: {followed}, different links: {links}")
    }

    /// Without this, a run in which the service refuses every order, or in which no request
    /// follows another, would succeed.
    fn suffice(&self, effort: &Effort) -> anyhow::Result<()> {
        let mut missing = [REACHED.as_slice(), effort.reached].concat();
        missing.retain(|name| self.operations.get(*name).is_none_or(|count| *count == 0));
        anyhow::ensure!(missing.is_empty(), "no answer with 2xx to {}", missing.join(", "));
        let is_followed = self.links.values().any(|count| *count > 0);
        anyhow::ensure!(is_followed || !effort.links, "no link was followed");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn successes(operations: &[&str], links: &[&str]) -> Successes {
        let once = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        Successes { operations: once(operations), links: once(links) }
    }

    #[test]
    fn a_run_suffices_if_it_reached_each_operation_and_followed_a_link() {
        let link = "POST /v1/orders -> [201] getOrder -> GET /v1/orders/{order_id}";
        let short = successes(&REACHED, &[]);
        assert!(short.suffice(&SHORT).is_ok());
        let error = short.suffice(&LONG).unwrap_err().to_string();
        assert_eq!(error, format!("no answer with 2xx to {}", LONG.reached.join(", ")));
        let long = [REACHED.as_slice(), LONG.reached].concat();
        assert!(successes(&long, &[]).suffice(&LONG).is_err());
        let all = successes(&long, &[link]);
        assert!(all.suffice(&LONG).is_ok());
        assert!(all.summary().ends_with("showReadiness 1; along links: 1, different links: 1"));
        let error = successes(&REACHED[1..], &[link]).suffice(&SHORT).unwrap_err();
        assert_eq!(error.to_string(), format!("no answer with 2xx to {}", REACHED[0]));
    }

    #[test]
    fn every_operation_that_must_be_reached_is_in_the_document() {
        let document = checkout::root().unwrap().join("docs/openapi.yaml");
        let document = std::fs::read_to_string(document).unwrap();
        for name in REACHED.iter().chain(LONG.reached) {
            assert!(document.contains(&format!("operationId: {name}\n")), "{name}");
        }
    }
}
