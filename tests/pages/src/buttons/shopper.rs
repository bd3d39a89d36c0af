//! The demo user, as a client of the API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use harness::user::User;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an access token is used. It is good for longer.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(240);

/// The demo shop's products have the numbers from 1 to this.
const PRODUCTS: u64 = 10;

pub(super) struct Shopper {
    api_url: String,
    user: Mutex<Option<(Instant, Arc<User>)>>,
}

/// The answer to an order.
pub(super) struct OrderAnswer {
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

impl Shopper {
    pub(super) fn new(api_url: &str) -> Self {
        Self { api_url: api_url.to_owned(), user: Mutex::default() }
    }

    /// Creates an order of one to three random products.
    pub(super) async fn create(&self, trace: Option<&str>) -> anyhow::Result<OrderAnswer> {
        let lines = fastrand::u64(1..=3);
        let first = fastrand::u64(0..PRODUCTS);
        let items: Vec<_> = (0..lines)
            .map(|line| {
                let product_id = (first + line) % PRODUCTS + 1;
                json!({"product_id": product_id, "quantity": fastrand::u64(1..=3)})
            })
            .collect();
        let trace = trace.map_or_else(new_trace, str::to_owned);
        let request = self.user().await?.order(&json!({ "items": items }));
        let answer = send(request.header("traceparent", traceparent(&trace))).await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let order_id = body.get("order_id").and_then(Value::as_str).map(str::to_owned);
        let said = match (status, body.get("detail").and_then(Value::as_str)) {
            (StatusCode::CREATED, _) => "The order is created.".to_owned(),
            (_, Some(detail)) => format!("The order was answered with {status}: {detail}"),
            (_, None) => format!("The order was answered with {status}."),
        };
        Ok(OrderAnswer { said, order_id, is_created: status == StatusCode::CREATED })
    }

    /// Cancels an order. Returns a sentence about it.
    pub(super) async fn cancel(&self, order_id: &str, trace: &str) -> anyhow::Result<String> {
        let is_id = order_id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        anyhow::ensure!(is_id, "This is not the id of an order.");
        let request = self.user().await?.cancel(order_id);
        let answer = send(request.header("traceparent", traceparent(trace))).await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok("The order is cancelled, and its stock is back.".to_owned());
        }
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("no reason is given");
        anyhow::bail!("It was not cancelled ({status}): {detail}")
    }

    /// Logs the demo user in once more; the session is used for nothing.
    pub(super) async fn log_in(&self, trace: &str) -> anyhow::Result<()> {
        let login = User::new(&self.api_url, Client::new(), String::new()).login();
        send(login.header("traceparent", traceparent(trace))).await.map(drop)
    }

    /// The demo user, logged in again where the token is old.
    async fn user(&self) -> anyhow::Result<Arc<User>> {
        let mut known = self.user.lock().await;
        if let Some((at, user)) = &*known
            && at.elapsed() < TOKEN_AGE_MAX
        {
            return Ok(Arc::clone(user));
        }
        let user = Arc::new(User::log_in(&self.api_url, Client::new()).await?);
        *known = Some((Instant::now(), Arc::clone(&user)));
        Ok(user)
    }
}

async fn send(request: RequestBuilder) -> anyhow::Result<Response> {
    request.send().await.context("The API does not answer.")
}
