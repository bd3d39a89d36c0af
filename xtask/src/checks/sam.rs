//! AWS's own tools for the template, from a Python environment in the target folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Check;
use crate::workspace;

/// Also installs the cfn-lint that it was released with.
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// The compiler of `sam build`. Also installs a cross compiler, which it runs as
/// `python3 -m ziglang`.
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";

/// This machine's architecture, by Lambda's name.
pub(crate) const ARCHITECTURE: &str =
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

pub(super) fn tools() -> anyhow::Result<PathBuf> {
    Ok(workspace::target()?.join("tools"))
}

/// The path of a tool, such as `sam`.
pub(crate) fn tool(name: &str) -> anyhow::Result<PathBuf> {
    Ok(tools()?.join("bin").join(name))
}

/// `None` if the SAM CLI is installed.
pub(crate) fn installation() -> anyhow::Result<Option<Check>> {
    installation_of("template tools", SAM_CLI)
}

/// Into the folder of the tools. `None` if the package is installed.
pub(super) fn installation_of(
    name: &'static str,
    requirement: &'static str,
) -> anyhow::Result<Option<Check>> {
    let tools = tools()?;
    if tools.join(requirement).is_file() {
        return Ok(None);
    }
    let mut command = Command::new("/bin/sh");
    // The marker is written last, so that an interrupted installation is repeated.
    command
        .args(["-c", "set -e; python3 -m venv \"$1\"; \"$1/bin/pip\" install --quiet \"$2\"; touch \"$1/$2\""])
        .args(["install"])
        .arg(&tools)
        .arg(requirement)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(Some(Check::of(name, command)))
}

/// Builds like for a deployment, but for this machine's architecture.
pub(super) fn build(root: &Path) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::from_iter(installation_of("sam build tools", SAM_CLI)?);
    checks.extend(installation_of("sam build compiler", CARGO_LAMBDA)?);
    let mut command = Command::new(tool("sam")?);
    let overrides = format!("Architecture={ARCHITECTURE}");
    command
        .args(["build", "--parameter-overrides", &overrides])
        .current_dir(root)
        .env("PATH", path_with_tools()?)
        .env("SAM_CLI_TELEMETRY", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    checks.push(Check::of("sam build", command));
    Ok(checks)
}

/// A PATH that begins with the folders of cargo-lambda and of the Python with its cross compiler.
#[expect(clippy::disallowed_methods, reason = "where programs are, not a setting")]
fn path_with_tools() -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = tools()?.join("bin");
    Ok(std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)))?)
}

pub(super) fn checks(root: &Path) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::from_iter(installation()?);
    let check = |name: &'static str, program: &str, arguments: &[&str]| -> anyhow::Result<Check> {
        let mut command = Command::new(tool(program)?);
        command
            .args(arguments)
            .current_dir(root)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", local_lambda::REGION)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(Check::of(name, command))
    };
    checks.push(check("template (sam validate)", "sam", &["validate", "--lint"])?);
    checks.push(check("template (cfn-lint)", "cfn-lint", &["template.yaml"])?);
    Ok(checks)
}
