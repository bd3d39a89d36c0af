//! Builds of functions and packages.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

/// In the development profile; Cargo's output goes to standard error.
pub(crate) async fn functions(root: &Path, functions: &[String]) -> anyhow::Result<()> {
    let mut command = cargo(root);
    command.arg("build");
    // With this program's own package, Cargo selects one set of features for both, so that crates
    // are not compiled again.
    command.args(["--package", "xtask"]);
    build(command, functions).await.context("cannot build the functions")
}

/// In the release profile, with the features of a deployment.
pub(crate) async fn release(root: &Path, packages: &[String]) -> anyhow::Result<()> {
    let mut command = cargo(root);
    command.args(["build", "--release"]);
    build(command, packages).await.context("the release build failed")
}

async fn build(mut command: Command, packages: &[String]) -> anyhow::Result<()> {
    command.args(packages.iter().flat_map(|name| ["--package", name]));
    // A failed build prints its own message.
    let status = command.stdout(Stdio::null()).status().await.context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "cargo ended with {status}");
    Ok(())
}

/// The Cargo that runs this program, in the workspace's root.
#[expect(clippy::disallowed_methods, reason = "variables of Cargo, not settings")]
pub(crate) fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    // `cargo run` sets variables about this program's package. Build scripts such as ring's read
    // them, and would compile their crates, and all crates that use those, again for every caller.
    for (name, _) in std::env::vars_os() {
        let text = name.to_str().unwrap_or_default();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}
