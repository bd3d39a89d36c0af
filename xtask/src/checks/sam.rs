//! The template under AWS's own tools, from a Python environment in the target folder.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::Check;
use crate::workspace;

/// Brings the cfn-lint that it was released with.
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// Installs the tools when they are not there, and runs both on the template.
pub(super) fn checks(root: &Path) -> anyhow::Result<Vec<Check>> {
    let tools = workspace::target()?.join("tools");
    let done = tools.join(SAM_CLI);
    let mut checks = Vec::new();
    if !done.is_file() {
        let mut command = Command::new("/bin/sh");
        // The marker comes last, so that an installation that broke off is made again.
        command
            .args(["-c", "set -e; python3 -m venv \"$1\"; \"$1/bin/pip\" install --quiet \"$2\"; touch \"$1/$2\""])
            .args(["install"])
            .arg(&tools)
            .arg(SAM_CLI)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        checks.push(Check { name: "template tools", command });
    }
    let tool = |name: &'static str, program: &str, arguments: &[&str]| {
        let mut command = Command::new(tools.join("bin").join(program));
        command
            .args(arguments)
            .current_dir(root)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", harness::host::REGION)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Check { name, command }
    };
    checks.push(tool("template (sam validate)", "sam", &["validate", "--lint"]));
    checks.push(tool("template (cfn-lint)", "cfn-lint", &["template.yaml"]));
    Ok(checks)
}
