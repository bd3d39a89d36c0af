//! Whether a system is ready: it is healthy and can create orders.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use crate::provision::probe_order;

/// The file of the functions' output in the data folder.
pub(super) const LOG_FILE: &str = "functions.log";

/// How long a system may take until it can create orders, on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// Waits until the system at `api_url` is ready.
pub(super) async fn wait(api_url: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let Err(error) = probe(api_url).await else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(error.context("the system did not become ready"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The error, with the end of the functions' output if that is in a file. Otherwise the output was
/// already visible.
pub(super) fn with_last_lines(error: &anyhow::Error, data: &Path) -> anyhow::Error {
    match std::fs::read(data.join(LOG_FILE)) {
        Err(_) => anyhow::anyhow!("{error:#}"),
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
            anyhow::anyhow!("{error:#}\nthe functions' last lines are:\n{last}")
        }
    }
}

async fn probe(api_url: &str) -> anyhow::Result<()> {
    let url = format!("{api_url}/health/ready");
    let response = reqwest::get(&url).await.with_context(|| format!("{url} does not answer"))?;
    let status = response.status();
    if !status.is_success() {
        anyhow::bail!("{url} answers {status}: {}", response.text().await.unwrap_or_default());
    }
    probe_order(api_url).await
}
