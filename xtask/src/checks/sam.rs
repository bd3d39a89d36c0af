//! The template under AWS's own tools, from a Python environment in the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Check;
use crate::workspace;

/// Brings the cfn-lint that it was released with.
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// Where the tools are.
fn tools() -> anyhow::Result<PathBuf> {
    Ok(workspace::target()?.join("tools"))
}

/// One of the tools, such as `sam`.
pub(crate) fn tool(name: &str) -> anyhow::Result<PathBuf> {
    Ok(tools()?.join("bin").join(name))
}

/// What installs the tools, when they are not there.
pub(crate) fn installation() -> anyhow::Result<Option<Check>> {
    let tools = tools()?;
    if tools.join(SAM_CLI).is_file() {
        return Ok(None);
    }
    let mut command = Command::new("/bin/sh");
    // The marker comes last, so that an installation that broke off is made again.
    command
        .args(["-c", "set -e; python3 -m venv \"$1\"; \"$1/bin/pip\" install --quiet \"$2\"; touch \"$1/$2\""])
        .args(["install"])
        .arg(&tools)
        .arg(SAM_CLI)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(Some(Check { name: "template tools", command }))
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
        Ok(Check { name, command })
    };
    checks.push(check("template (sam validate)", "sam", &["validate", "--lint"])?);
    checks.push(check("template (cfn-lint)", "cfn-lint", &["template.yaml"])?);
    Ok(checks)
}
