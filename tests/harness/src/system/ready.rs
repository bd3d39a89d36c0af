//! Whether a system is ready: it is healthy and can create orders.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use http::HeaderMap;
use reqwest::Client;
use tokio::time::Instant;

use crate::user::User;

/// The file of the functions' output in the data folder.
pub(super) const LOG_FILE: &str = "functions.log";

/// How long a system may take until it can create orders, on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// Waits until the system at `api_url` is ready. `headers` are sent with each request.
pub(super) async fn wait(api_url: &str, headers: &HeaderMap) -> anyhow::Result<()> {
    let client = Client::builder().default_headers(headers.clone()).build()?;
    let deadline = Instant::now() + LIMIT;
    let mut user = None;
    loop {
        let Err(error) = probe(&client, api_url, &mut user).await else { return Ok(()) };
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

/// `user` is kept from one call to the next, because an account can't log in at each poll.
async fn probe(client: &Client, api_url: &str, user: &mut Option<User>) -> anyhow::Result<()> {
    let url = format!("{api_url}/health/ready");
    let response =
        client.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    let status = response.status();
    if !status.is_success() {
        anyhow::bail!("{url} answers {status}: {}", response.text().await.unwrap_or_default());
    }
    let user = match user {
        Some(user) => user,
        None => user.insert(User::log_in(api_url, client.clone()).await?),
    };
    user.can_order().await
}
