//! Amazon's own emulator, DynamoDB Local, as a child process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local_lambda::Children;
use tokio::process::Command;

use crate::broker::{JavaProcess, check_java, free_port};
use crate::maven::Artifacts;

/// `dynamodb-local/pom.xml` names it too.
const VERSION: &str = "3.1.0";

const DYNAMODB_LOCAL: Artifacts = Artifacts {
    what: "DynamoDB Local",
    version: VERSION,
    folder: "dynamodb-local",
    pom: include_str!("../../dynamodb-local/pom.xml"),
};

/// How long it may take to answer on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running DynamoDB Local, with its tables in memory and a database for each access key; it ends
/// when this is dropped.
pub struct DynamodbLocal {
    port: u16,
    _process: JavaProcess,
}

impl DynamodbLocal {
    /// Starts it on a free port and returns once it answers. Its jars are cached below `target`;
    /// `data` is its working folder.
    ///
    /// # Errors
    /// When Java or Maven is missing, the jars cannot be downloaded, or it does not start.
    pub async fn start(target: &Path, data: &Path, children: &Children) -> anyhow::Result<Self> {
        check_java().await?;
        let jars = DYNAMODB_LOCAL.ensure(target).await?;
        let port = free_port()?;
        let command = command(&jars, port, data);
        let mut process = JavaProcess::start("DynamoDB Local", command, data, None, children)?;
        let answers = || async move {
            // It answers 400 to a request that is not valid.
            reqwest::get(format!("http://127.0.0.1:{port}")).await.is_ok()
        };
        process.until(START_LIMIT, answers).await?;
        Ok(Self { port, _process: process })
    }

    /// Such as `http://127.0.0.1:8001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn command(jars: &Path, port: u16, data: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .arg(format!("-Dsqlite4java.library.path={}", jars.display()))
        .arg(format!("-Djava.io.tmpdir={}", data.display()))
        .args(["-Xmx256m", "-cp"])
        .arg(format!("{}/*", jars.display()))
        .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
        .args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()])
        .current_dir(data)
        .stdin(Stdio::null());
    command
}
