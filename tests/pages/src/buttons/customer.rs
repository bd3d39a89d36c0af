//! The demo user, as a client of the API.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long an access token is used. It is good for longer.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(240);

/// The demo shop's products have the numbers from 1 to this.
const PRODUCTS: u64 = 10;

pub(super) struct Customer {
    api_url: String,
    client: Client,
    token: Mutex<Option<(Instant, String)>>,
}

/// The answer to an order.
pub(super) struct Placed {
    pub(super) said: String,
    pub(super) order_id: Option<String>,
    pub(super) is_created: bool,
}

/// A `traceparent` with this trace.
pub(super) fn traceparent(trace: &str) -> String {
    format!("00-{trace}-{:016x}-01", fastrand::u64(1..))
}

/// A trace that no other request has.
pub(super) fn new_trace() -> String {
    format!("{:032x}", fastrand::u128(1..))
}

impl Customer {
    pub(super) fn new(api_url: &str) -> Self {
        Self { api_url: api_url.to_owned(), client: Client::new(), token: Mutex::default() }
    }

    /// Places an order of one to three random products.
    pub(super) async fn place(&self, trace: Option<&str>) -> anyhow::Result<Placed> {
        let lines = fastrand::u64(1..=3);
        let first = fastrand::u64(0..PRODUCTS);
        let items: Vec<_> = (0..lines)
            .map(|line| {
                let product_id = (first + line) % PRODUCTS + 1;
                json!({"product_id": product_id, "quantity": fastrand::u64(1..=3)})
            })
            .collect();
        let trace = trace.map_or_else(new_trace, str::to_owned);
        let request = self.client.post(format!("{}/v1/orders", self.api_url));
        let request = request.header("traceparent", traceparent(&trace));
        let answer = self.send(request.json(&json!({ "items": items }))).await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let order_id = body.get("order_id").and_then(Value::as_str).map(str::to_owned);
        let said = match (status, body.get("detail").and_then(Value::as_str)) {
            (StatusCode::CREATED, _) => "The order is created.".to_owned(),
            (_, Some(detail)) => format!("The order was answered with {status}: {detail}"),
            (_, None) => format!("The order was answered with {status}."),
        };
        Ok(Placed { said, order_id, is_created: status == StatusCode::CREATED })
    }

    /// Cancels an order. Returns a sentence about it.
    pub(super) async fn cancel(&self, order_id: &str) -> anyhow::Result<String> {
        let is_id = order_id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        anyhow::ensure!(is_id, "This is not the id of an order.");
        let url = format!("{}/v1/orders/{order_id}/cancel", self.api_url);
        let request = self.client.post(url).header("traceparent", traceparent(&new_trace()));
        let answer = self.send(request).await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok("The order is cancelled, and its stock is back.".to_owned());
        }
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("no reason is given");
        anyhow::bail!("It was not cancelled ({status}): {detail}")
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let token = self.token().await?;
        request.bearer_auth(token).send().await.context("The API does not answer.")
    }

    async fn token(&self) -> anyhow::Result<String> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, token)) = known
            && at.elapsed() < TOKEN_AGE_MAX
        {
            return Ok(token);
        }
        let login = self.client.post(format!("{}/v1/users/login", self.api_url));
        let login = login.json(&json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD}));
        let answer = login.send().await.context("The API does not answer.")?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let token = body.get("access_token").and_then(Value::as_str);
        let token = token
            .with_context(|| format!("The demo user's login was answered with {status}."))?
            .to_owned();
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}
