//! Builds binaries.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

/// Builds `functions` in the development profile; what Cargo says goes to standard error.
pub(crate) async fn functions(root: &Path, functions: &[String]) -> anyhow::Result<()> {
    let mut command = cargo(root);
    command.arg("build");
    // With this program's own package Cargo selects one set of features for both, so that what was
    // compiled for it is not compiled again.
    command.args(["--package", "xtask"]);
    build(command, functions).await.context("the functions could not be built")
}

/// Builds packages in the release profile, with the features that they have when they are deployed.
pub(crate) async fn release(root: &Path, packages: &[String]) -> anyhow::Result<()> {
    let mut command = cargo(root);
    command.args(["build", "--release"]);
    build(command, packages).await.context("the release build failed")
}

async fn build(mut command: Command, packages: &[String]) -> anyhow::Result<()> {
    command.args(packages.iter().flat_map(|name| ["--package", name]));
    // A build that fails explains itself; its output is the message.
    let status = command.stdout(Stdio::null()).status().await.context("cargo cannot be started")?;
    anyhow::ensure!(status.success(), "cargo ended with {status}");
    Ok(())
}

/// The Cargo that runs us, in the workspace's root.
#[expect(clippy::disallowed_methods, reason = "what Cargo tells about itself")]
pub(crate) fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    // `cargo run` tells this program about its own package. Build scripts such as ring's look at
    // that, and would have their crates, and all that use them, compiled again for every caller.
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().unwrap_or_default();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}
