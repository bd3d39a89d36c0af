//! Named checks, run one after the other; the first that fails ends it.

pub(crate) mod sam;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use crate::build::cargo;
use crate::workspace;

/// One named check: a command that must succeed.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
}

impl Check {
    /// A Cargo command.
    pub(crate) fn of_cargo(root: &Path, name: &'static str, arguments: &[&str]) -> Self {
        let mut command = cargo(root);
        command.args(arguments);
        Self { name, command }
    }
}

/// Runs those whose names contain `only`, and tells how long each took.
pub(crate) async fn run(checks: Vec<Check>, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut done: Vec<(&str, Duration)> = Vec::new();
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
        if !status.success() {
            summary(&done);
            eprintln!("  FAILED {:>7.1} s  {}", took.as_secs_f64(), check.name);
            return Ok(ExitCode::FAILURE);
        }
        done.push((check.name, took));
    }
    anyhow::ensure!(!done.is_empty(), "no check's name contains {:?}", only.unwrap_or_default());
    summary(&done);
    Ok(ExitCode::SUCCESS)
}

fn summary(done: &[(&str, Duration)]) {
    eprintln!("── summary");
    for (name, took) in done {
        eprintln!("  ok     {:>7.1} s  {name}", took.as_secs_f64());
    }
}

/// What CI runs, in the order in which it fails soonest.
pub(crate) fn for_ci(root: &Path) -> anyhow::Result<Vec<Check>> {
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
    Ok(checks)
}

/// What takes too long for CI.
pub(crate) fn long(root: &Path) -> anyhow::Result<Vec<Check>> {
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
        Check { name, command }
    };
    Ok(vec![
        release,
        cargo("long tests and statistics", &ignored),
        own("long simulation", &["simulate", "--seeds", "100000", "--first", "1000000"]),
        own("long chaos", &["chaos", "--minutes", "30"]),
        // The last, because it cannot run everywhere.
        own("sam local", &["sam-local", "--install"]),
    ])
}
