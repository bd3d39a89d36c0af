//! Named checks, run one after the other; the first that fails ends it.

pub(crate) mod sam;

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use crate::build::cargo;
use crate::workspace;

/// One named check: a command that must succeed.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// The status by which the command says that it cannot run here.
    pub(crate) cannot_run: Option<u8>,
}

/// The status of a command that could not run here, and tried nothing: neither success nor failure.
pub(crate) const NOT_RUN: u8 = 3;

/// actionlint, by the Go module proxy.
const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7";

impl Check {
    /// A Cargo command.
    pub(crate) fn of_cargo(root: &Path, name: &'static str, arguments: &[&str]) -> Self {
        let mut command = cargo(root);
        command.args(arguments);
        Self::of(name, command)
    }

    /// Any other command.
    pub(crate) fn of(name: &'static str, command: Command) -> Self {
        Self { name, command, cannot_run: None }
    }
}

/// How a check that has not failed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    NotRun,
}

/// Runs those whose names contain `only`, and tells how long each took. It ends with [`NOT_RUN`] if
/// all that ran succeeded and one could not run.
pub(crate) async fn run(checks: Vec<Check>, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut done: Vec<(&str, Outcome, Duration)> = Vec::new();
    for mut check in checks {
        if only.is_some_and(|only| !check.name.contains(only)) {
            continue;
        }
        eprintln!("── {}", check.name);
        let started = Instant::now();
        let status = check
            .command
            .status()
            .await
            .with_context(|| format!("{} cannot be started", check.name))?;
        let took = started.elapsed();
        let cannot_run = check.cannot_run.map(i32::from);
        let outcome = match status.code() {
            Some(0) => Outcome::Succeeded,
            code if code.is_some() && code == cannot_run => Outcome::NotRun,
            _ => {
                summary(&done);
                eprintln!("  FAILED  {:>7.1} s  {}", took.as_secs_f64(), check.name);
                return Ok(ExitCode::FAILURE);
            }
        };
        done.push((check.name, outcome, took));
    }
    anyhow::ensure!(!done.is_empty(), "no check's name contains {:?}", only.unwrap_or_default());
    summary(&done);
    let all_ran = done.iter().all(|(_, outcome, _)| *outcome == Outcome::Succeeded);
    Ok(if all_ran { ExitCode::SUCCESS } else { ExitCode::from(NOT_RUN) })
}

fn summary(done: &[(&str, Outcome, Duration)]) {
    eprintln!("── summary");
    for (name, outcome, took) in done {
        let outcome = match outcome {
            Outcome::Succeeded => "ok     ",
            Outcome::NotRun => "not run",
        };
        eprintln!("  {outcome} {:>7.1} s  {name}", took.as_secs_f64());
    }
}

/// What CI runs, in the order in which it fails soonest.
pub(crate) async fn for_ci(root: &Path) -> anyhow::Result<Vec<Check>> {
    let cargo = |name, arguments: &[&str]| Check::of_cargo(root, name, arguments);
    let deny = ["--", "--deny", "warnings"];
    let mut doc = cargo("documentation", &["doc", "--workspace", "--no-deps", "--locked"]);
    doc.command.env("RUSTDOCFLAGS", "--deny warnings");
    let mut build = cargo("functions", &["build", "--locked", "--package", "xtask"]);
    for name in workspace::function_names(root)? {
        build.command.args(["--package", &name]);
    }
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
    let mut checks = vec![
        cargo("format", &["fmt", "--all", "--check"]),
        cargo("clippy", &[clippy.as_slice(), deny.as_slice()].concat()),
        doc,
        build,
        cargo("tests", &["test", "--workspace", "--locked"]),
    ];
    checks.extend(sam::checks(root)?);
    checks.extend(workflows(root).await);
    checks.extend(compose_file(root).await);
    Ok(checks)
}

/// Whether a program is there and succeeds; what it says goes nowhere.
pub(crate) async fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).status().await.is_ok_and(|status| status.success())
}

/// What Docker Compose thinks of docker-compose.yml, where there is one. It needs no engine.
async fn compose_file(root: &Path) -> Option<Check> {
    if !succeeds("docker", &["compose", "version"]).await {
        eprintln!("there is no `docker compose`, so docker-compose.yml is not checked");
        return None;
    }
    let mut command = Command::new("docker");
    command
        .args(["compose", "--file", "docker-compose.yml", "config", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::null());
    Some(Check::of("docker-compose.yml (docker compose config)", command))
}

/// actionlint on the workflows, where there is a Go to build it.
async fn workflows(root: &Path) -> Option<Check> {
    if !succeeds("go", &["version"]).await {
        eprintln!("there is no `go`, so the workflows are not checked");
        return None;
    }
    let mut command = Command::new("go");
    command.args(["run", ACTIONLINT]).current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    Some(Check::of("workflows (actionlint)", command))
}

/// What takes too long for CI. With `install`, a container engine is installed where there is none.
pub(crate) fn long(root: &Path, install: bool) -> anyhow::Result<Vec<Check>> {
    let cargo = |name, arguments: &[&str]| Check::of_cargo(root, name, arguments);
    let mut release = cargo("release build", &["build", "--release", "--locked"]);
    for name in workspace::function_names(root)? {
        release.command.args(["--package", &name]);
    }
    let ignored = ["test", "--workspace", "--locked", "--", "--ignored", "--nocapture"];
    let this = std::env::current_exe().context("this program cannot be found")?;
    let own = |name, arguments: &[&str]| {
        let mut command = Command::new(&this);
        command.args(arguments).current_dir(root).kill_on_drop(true);
        Check::of(name, command)
    };
    let mut sam_local = own("sam local", &["sam-local"]);
    if install {
        sam_local.command.arg("--install");
    }
    sam_local.cannot_run = Some(NOT_RUN);
    let mut checks = vec![release];
    // Before the tests, one of which looks at what it leaves.
    checks.extend(sam::build(root)?);
    checks.extend([
        cargo("long tests and statistics", &ignored),
        own("long simulation", &["simulate", "--seeds", "100000", "--first", "1000000"]),
        own("long chaos", &["chaos", "--minutes", "30"]),
        own("chaos on DynamoDB Local", &["chaos", "--dynamodb-local"]),
        // The last, because it cannot run everywhere.
        sam_local,
    ]);
    Ok(checks)
}
