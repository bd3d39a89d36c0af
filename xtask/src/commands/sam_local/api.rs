//! Creates an order through the emulated API.

use std::time::Duration;

use anyhow::Context;
use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::sam::Sam;
use super::samples;

/// How long the API may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a request may take: each one starts its own container.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);

/// Logs in, creates an order, runs event-consumer, and checks that the order is confirmed.
pub(super) async fn order(sam: &Sam<'_>) -> anyhow::Result<()> {
    let port = harness::broker::free_port()?;
    let mut server = sam.start_api(port)?;
    let outcome = story(sam, &format!("http://127.0.0.1:{port}")).await;
    // At SIGTERM it removes its containers. SIGINT would be ignored in a script's background job.
    if let Some(pid) = server.id() {
        tokio::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
    }
    server.wait().await?;
    outcome
}

async fn story(sam: &Sam<'_>, url: &str) -> anyhow::Result<()> {
    let client = Client::builder().timeout(REQUEST_LIMIT).build()?;
    started(&client, url).await?;
    let login = json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD});
    let tokens = send(&client, Method::POST, &format!("{url}/v1/users/login"), "", login).await?;
    let token = text(&tokens, "access_token")?;
    let lines = json!({"items": [{"product_id": 1, "quantity": 2}]});
    let order = send(&client, Method::POST, &format!("{url}/v1/orders"), token, lines).await?;
    let order_id = text(&order, "order_id")?;
    let report = samples::invoke_one(sam, &harness::checkout::root()?, "event-consumer").await?;
    let handled = report.get("handled").and_then(Value::as_u64);
    anyhow::ensure!(handled >= Some(1), "event-consumer handled no event: {report}");
    let path = format!("{url}/v1/orders/{order_id}");
    let order = send(&client, Method::GET, &path, token, Value::Null).await?;
    anyhow::ensure!(text(&order, "status")? == "CONFIRMED", "{order}");
    eprintln!("  ok     start-api: {order_id} is CONFIRMED");
    Ok(())
}

/// A text member of an answer.
fn text<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    let member = answer.get(name).and_then(Value::as_str);
    member.with_context(|| format!("no {name} in {answer}"))
}

/// Waits until the server answers, with any status.
async fn started(client: &Client, url: &str) -> anyhow::Result<()> {
    let until = Instant::now() + START_LIMIT;
    while client.get(format!("{url}/health")).send().await.is_err() {
        anyhow::ensure!(Instant::now() < until, "the server did not start in time");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn send(
    client: &Client,
    method: Method,
    url: &str,
    token: &str,
    body: Value,
) -> anyhow::Result<Value> {
    let mut request = client.request(method, url).bearer_auth(token);
    if !body.is_null() {
        request = request.json(&body);
    }
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    anyhow::ensure!(status.is_success(), "{url} answers {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}
