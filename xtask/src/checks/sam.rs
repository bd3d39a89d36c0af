//! The template under AWS's own tools, from a Python environment in the target folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Check;
use crate::workspace;

/// Brings the cfn-lint that it was released with.
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// What `sam build` compiles with. Brings a cross compiler, which it runs as `python3 -m ziglang`.
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";

/// This machine's processor, as Lambda calls it.
pub(crate) const ARCHITECTURE: &str =
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// Where the tools are.
fn tools() -> anyhow::Result<PathBuf> {
    Ok(workspace::target()?.join("tools"))
}

/// One of the tools, such as `sam`.
pub(crate) fn tool(name: &str) -> anyhow::Result<PathBuf> {
    Ok(tools()?.join("bin").join(name))
}

/// What installs the SAM CLI, when it is not there.
pub(crate) fn installation() -> anyhow::Result<Option<Check>> {
    installation_of("template tools", SAM_CLI)
}

fn installation_of(name: &'static str, requirement: &'static str) -> anyhow::Result<Option<Check>> {
    let tools = tools()?;
    if tools.join(requirement).is_file() {
        return Ok(None);
    }
    let mut command = Command::new("/bin/sh");
    // The marker comes last, so that an installation that broke off is made again.
    command
        .args(["-c", "set -e; python3 -m venv \"$1\"; \"$1/bin/pip\" install --quiet \"$2\"; touch \"$1/$2\""])
        .args(["install"])
        .arg(&tools)
        .arg(requirement)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(Some(Check::of(name, command)))
}

/// Builds as for a deployment, for this machine's processor.
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

/// Where cargo-lambda and the Python that has its cross compiler are found first.
#[expect(clippy::disallowed_methods, reason = "where programs are, not a setting")]
fn path_with_tools() -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = tools()?.join("bin");
    Ok(std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)))?)
}

/// Runs both tools on the template.
pub(super) fn checks(root: &Path) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::from_iter(installation()?);
    let check = |name: &'static str, program: &str, arguments: &[&str]| -> anyhow::Result<Check> {
        let mut command = Command::new(tool(program)?);
        command
            .args(arguments)
            .current_dir(root)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", harness::host::REGION)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(Check::of(name, command))
    };
    checks.push(check("template (sam validate)", "sam", &["validate", "--lint"])?);
    checks.push(check("template (cfn-lint)", "cfn-lint", &["template.yaml"])?);
    Ok(checks)
}
