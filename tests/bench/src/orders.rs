//! The ways in which an order is placed, besides the floor ([`crate::floor`]).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use harness::host::LambdaHost;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::load::Call;
use crate::rig::{Rig, Site};

/// The function that takes orders.
pub(crate) const CREATE_ORDER: &str = "create-order";

/// How many products the demo has.
pub(crate) const PRODUCTS: u64 = 10;

/// A request for one unit of a product.
pub(crate) fn body(product_id: u64) -> Value {
    json!({"items": [{"product_id": product_id, "quantity": 1}]})
}

/// create-order, invoked without the gateway. What is measured is the time in the function: from
/// the hand-over of the event to the answer, both over the Lambda runtime API.
pub(crate) struct Invoked {
    host: LambdaHost,
    /// An event for each product, taken in turn.
    events: Vec<String>,
    turn: AtomicUsize,
}

impl Invoked {
    pub(crate) fn new(rig: &Rig, site: &Site) -> anyhow::Result<Self> {
        let mut event = site.event(rig.root(), CREATE_ORDER, "")?;
        let events = (1..=PRODUCTS)
            .map(|product_id| {
                let body = body(product_id).to_string();
                *event.get_mut("body").context("the sample event has no body")? = body.into();
                Ok(event.to_string())
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { host: site.system.host.clone(), events, turn: AtomicUsize::new(0) })
    }
}

/// Of a function's answer, the part that says how it went.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "statusCode")]
    status: u16,
}

impl Call for Invoked {
    async fn call(&self, _: usize) -> anyhow::Result<Duration> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.events.len();
        let event = self.events.get(turn).cloned().unwrap_or_default();
        let result = self.host.invoke(CREATE_ORDER, event).await?;
        let answer: Option<Answer> = serde_json::from_slice(&result.payload).ok();
        anyhow::ensure!(
            answer.is_some_and(|answer| answer.status == 201),
            "an order was not taken: {}",
            String::from_utf8_lossy(&result.payload)
        );
        Ok(result.duration)
    }
}

/// An HTTP client's orders. What is measured is the time until the client has its answer: gateway
/// and host are in it, and a pause for an instance where one is thawed.
pub(crate) struct Posted {
    http: reqwest::Client,
    url: String,
    token: String,
    body: String,
}

impl Posted {
    pub(crate) fn new(site: &Site) -> Self {
        Self {
            http: site.http.clone(),
            url: format!("{}/v1/orders", site.system.api_url),
            token: site.token.clone(),
            body: body(1).to_string(),
        }
    }

    /// Places an order and says which.
    pub(crate) async fn post(&self) -> anyhow::Result<String> {
        let request = self.http.post(&self.url).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(self.body.clone());
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        anyhow::ensure!(status == 201, "an order was answered with {status}: {text}");
        let answer: Value = serde_json::from_str(&text)?;
        let order_id = answer.get("order_id").and_then(Value::as_str);
        Ok(order_id.context("the answer has no order_id")?.to_owned())
    }
}

impl Call for Posted {
    async fn call(&self, _: usize) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.post().await?;
        Ok(started.elapsed())
    }
}
