//! `cargo xtask schemathesis`: tests the running system against `docs/openapi.yaml`.
//!
//! Schemathesis makes requests from the document, valid and invalid ones and sequences of them, and
//! compares each answer with it. `tests/specifications/schemathesis/` has its settings.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use harness::checkout;
use harness::mailbox::Mailbox;
use harness::system::{System, SystemOptions};
use local_lambda::FileSink;
use serde_json::json;
use tokio::process::Command;

use crate::{build, workspace};

/// Starts a system with its own ports, tables and topics, and ends it. A failure shows its request
/// as a curl command, and the seed that makes the same requests again.
#[derive(Args)]
pub(crate) struct Options {
    /// Makes many more requests, which takes up to an hour.
    #[arg(long)]
    long: bool,
    /// Repeats the requests of an earlier run.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Requests for each operation in a phase, and the longest duration of the last two phases.
struct Effort {
    max_examples: &'static str,
    max_time_s: &'static str,
}

const SHORT: Effort = Effort { max_examples: "10", max_time_s: "45" };
const LONG: Effort = Effort { max_examples: "500", max_time_s: "3600" };

/// The users of `users.yaml`.
const USERS: [&str; 2] = ["one@example.com", "other@example.com"];
const PASSWORD: &str = "a sentence that nobody guesses";

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
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
