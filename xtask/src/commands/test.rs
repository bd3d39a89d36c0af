//! `cargo xtask test`: every check that CI runs, in the order in which they fail soonest.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::process::Command;

use crate::build::cargo;
use crate::workspace;

mod sam;

/// Stops at the first check that fails.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only the checks whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// One named check.
struct Check {
    name: &'static str,
    command: Command,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = workspace::root()?;
    let mut done: Vec<(&str, Duration)> = Vec::new();
    for mut check in checks(&root)? {
        if options.only.as_ref().is_some_and(|only| !check.name.contains(only.as_str())) {
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
    summary(&done);
    Ok(ExitCode::SUCCESS)
}

fn summary(done: &[(&str, Duration)]) {
    eprintln!("── summary");
    for (name, took) in done {
        eprintln!("  ok     {:>7.1} s  {name}", took.as_secs_f64());
    }
}

fn checks(root: &Path) -> anyhow::Result<Vec<Check>> {
    let cargo = |name, arguments: &[&str]| {
        let mut command = cargo(root);
        command.args(arguments);
        Check { name, command }
    };
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
