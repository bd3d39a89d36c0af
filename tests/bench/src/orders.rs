//! The ways in which an order is created, other than the floor ([`crate::floor`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use harness::user::{User, order_of};
use local_lambda::LambdaHost;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::load::Call;
use crate::rig::{Rig, Site};

pub(crate) const CREATE_ORDER: &str = "create-order";

/// How many products the demo has.
pub(crate) const PRODUCTS: u64 = 10;

/// The most requests of a careful client for one order, and the pause between two of them.
const TRIES_MAX: u32 = 20;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// create-order, invoked without the gateway. Measures from sending the event to the answer, both
/// over the Lambda runtime API.
pub(crate) struct Invoked {
    host: LambdaHost,
    /// One for each product, used in turn.
    events: Vec<String>,
    turn: AtomicUsize,
    expected: u16,
}

impl Invoked {
    pub(crate) fn new(rig: &Rig, site: &Site) -> anyhow::Result<Self> {
        let bodies = (1..=PRODUCTS).map(|product| order_of(product, 1)).collect();
        Self::of(site, site.event(rig.root(), CREATE_ORDER, "")?, bodies, 201)
    }

    /// Requests without a token, which the function refuses before it reads anything else.
    pub(crate) fn anonymous(rig: &Rig, site: &Site) -> anyhow::Result<Self> {
        let mut event = site.event(rig.root(), CREATE_ORDER, "")?;
        let headers = event.get_mut("headers").and_then(Value::as_object_mut);
        headers.context("the sample event has no headers")?.remove("authorization");
        Self::of(site, event, vec![order_of(1, 1)], 401)
    }

    /// Requests with a valid token and an order without lines. They need no price, message or item.
    pub(crate) fn empty(rig: &Rig, site: &Site) -> anyhow::Result<Self> {
        let event = site.event(rig.root(), CREATE_ORDER, "")?;
        Self::of(site, event, vec![json!({"items": []})], 422)
    }

    fn of(
        site: &Site,
        mut event: Value,
        bodies: Vec<Value>,
        expected: u16,
    ) -> anyhow::Result<Self> {
        let events = bodies
            .iter()
            .map(|body| {
                let body = body.to_string();
                *event.get_mut("body").context("the sample event has no body")? = body.into();
                Ok(event.to_string())
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { host: site.system.host.clone(), events, turn: AtomicUsize::new(0), expected })
    }
}

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
            answer.is_some_and(|answer| answer.status == self.expected),
            "the answer to an order is not {}: {}",
            self.expected,
            String::from_utf8_lossy(&result.payload)
        );
        Ok(result.duration)
    }
}

/// The orders of an HTTP client. Measures the time until the client has its answer, which includes
/// the gateway, the host, and the thaw of an instance.
pub(crate) struct Posted {
    user: Arc<User>,
    body: Value,
}

impl Posted {
    pub(crate) fn new(site: &Site) -> Self {
        Self::of(Arc::clone(&site.user), order_of(1, 1))
    }

    pub(crate) const fn of(user: Arc<User>, body: Value) -> Self {
        Self { user, body }
    }

    pub(crate) async fn post(&self) -> anyhow::Result<String> {
        created(self.user.order(&self.body).send().await?).await
    }

    /// [`Posted::post`] as a careful client: it repeats the request with the same key while the
    /// answer is 503, up to [`TRIES_MAX`] times.
    pub(crate) async fn settle(&self, key: &str) -> anyhow::Result<String> {
        for _ in 0..TRIES_MAX {
            let response = self.user.order_under(key, &self.body).send().await?;
            if response.status() != 503 {
                return created(response).await;
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        anyhow::bail!("the answer to an order was 503 {TRIES_MAX} times")
    }
}

async fn created(response: reqwest::Response) -> anyhow::Result<String> {
    let status = response.status();
    let text = response.text().await?;
    anyhow::ensure!(status == 201, "the answer to an order is {status}: {text}");
    let answer: Value = serde_json::from_str(&text)?;
    let order_id = answer.get("order_id").and_then(Value::as_str);
    Ok(order_id.context("the answer has no order_id")?.to_owned())
}

impl Call for Posted {
    async fn call(&self, _: usize) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.post().await?;
        Ok(started.elapsed())
    }
}
