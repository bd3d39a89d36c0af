//! Creates an order through the emulated API.

use std::time::Duration;

use anyhow::Context;
use harness::user::{User, order_of};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::sam::Sam;
use super::samples;

const START_LIMIT: Duration = Duration::from_secs(60);

/// Each request starts its own container.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);

/// Logs in, creates an order, runs event-consumer, and checks that the order is confirmed.
pub(super) async fn order(sam: &Sam<'_>) -> anyhow::Result<()> {
    let port = harness::broker::free_port()?;
    let mut server = sam.start_api(port)?;
    let outcome = story(sam, &format!("http://127.0.0.1:{port}")).await;
    // At SIGTERM the server removes its containers. In a script's background job it would ignore
    // SIGINT.
    if let Some(pid) = server.id() {
        tokio::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
    }
    server.wait().await?;
    outcome
}

async fn story(sam: &Sam<'_>, url: &str) -> anyhow::Result<()> {
    let client = Client::builder().timeout(REQUEST_LIMIT).build()?;
    started(&client, url).await?;
    let user = User::log_in(url, client).await?;
    let order = sent(user.order(&order_of(1, 2))).await?;
    let order_id = text(&order, "order_id")?;
    let report = samples::invoke_one(sam, &harness::checkout::root()?, "event-consumer").await?;
    let handled = report.get("handled").and_then(Value::as_u64);
    anyhow::ensure!(handled >= Some(1), "event-consumer handled no event: {report}");
    let order = sent(user.read(order_id)).await?;
    anyhow::ensure!(text(&order, "status")? == "CONFIRMED", "{order}");
    eprintln!("  ok     start-api: {order_id} is CONFIRMED");
    Ok(())
}

/// A string member of an answer.
fn text<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    let member = answer.get(name).and_then(Value::as_str);
    member.with_context(|| format!("no {name} in {answer}"))
}

/// Waits for an answer with any status.
async fn started(client: &Client, url: &str) -> anyhow::Result<()> {
    let until = Instant::now() + START_LIMIT;
    while client.get(format!("{url}/health")).send().await.is_err() {
        anyhow::ensure!(Instant::now() < until, "the server did not start in time");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Fails unless the answer is a success.
async fn sent(request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    anyhow::ensure!(status.is_success(), "{url} answers {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}
