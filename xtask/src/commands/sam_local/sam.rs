//! Calls of `sam local`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::sample::Sample;
use super::stage::Stage;
use crate::checks::sam as tools;

/// For one invocation and the start of its container. The first one also builds an image.
const INVOCATION_LIMIT: Duration = Duration::from_secs(180);

/// The program with the common arguments of all calls.
pub(super) struct Sam<'a> {
    program: PathBuf,
    stage: &'a Stage,
}

impl<'a> Sam<'a> {
    pub(super) fn new(stage: &'a Stage) -> anyhow::Result<Self> {
        Ok(Self { program: tools::tool("sam")?, stage })
    }

    fn local(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("local").args(arguments);
        command.arg("--template").arg(&self.stage.template);
        command.arg("--env-vars").arg(&self.stage.variables);
        command.arg("--skip-pull-image");
        command.arg("--parameter-overrides").args(&self.stage.parameters);
        command
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", local_lambda::REGION)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Invokes a function with `event`, which was made from `sample`, and checks the answer.
    pub(super) async fn invoke(&self, sample: &Sample, event: &Path) -> anyhow::Result<Value> {
        let event = event.display().to_string();
        let mut command = self.local(&["invoke", &sample.function.logical_id, "--event", &event]);
        let output = timeout(INVOCATION_LIMIT, command.output())
            .await
            .context("the invocation takes too long")?
            .context("cannot start sam")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{errors}");
        let answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{}\n{errors}", String::from_utf8_lossy(&output.stdout)))?;
        anyhow::ensure!(answer.get("errorType").is_none(), "{answer}\n{errors}");
        let status = answer.get("statusCode").and_then(Value::as_u64);
        anyhow::ensure!(status == sample.status, "not {:?}: {answer}\n{errors}", sample.status);
        // The body of an HTTP answer may contain tokens.
        let result = status.map_or_else(|| answer.to_string(), |status| status.to_string());
        eprintln!("  ok     {sample}: {result}");
        Ok(answer)
    }

    pub(super) fn start_api(&self, port: u16) -> anyhow::Result<Child> {
        let port = port.to_string();
        let mut command = self.local(&["start-api", "--port", &port]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("cannot start sam")
    }

    pub(super) fn stage(&self) -> &Stage {
        self.stage
    }
}
