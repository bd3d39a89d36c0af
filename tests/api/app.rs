//! The system under test, and how a test speaks to it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{Delivery, EventSubscription};
use aws_sdk_dynamodb::types::AttributeValue;
use harness::provision::{Names, rocketmq_config};
use harness::system::{System, SystemOptions};
use harness::user::{User, order_of};
use platform::clock::SystemClock;
use reqwest::{Client, Method, RequestBuilder, Response};
use rocketmq::admin::StoredMessage;
use rocketmq::subscription::RocketmqSubscription;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::leaks;
use crate::problems::assert_conforms;

/// For a condition on a slow machine: a check-back needs about 15 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct App {
    pub(crate) system: System,
    user: User,
}

/// All tests of this binary share the system.
pub(crate) fn with_app<F: Future<Output = ()>>(test: impl FnOnce(&'static App) -> F) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static APP: OnceLock<App> = OnceLock::new();
    // The system lives on this runtime as long as the process; its children die with it.
    let runtime = RUNTIME.get_or_init(runtime);
    let app = APP.get_or_init(|| runtime.block_on(App::start(options())));
    runtime.block_on(test(app));
    leaks::assert_none();
}

/// Runs a test against its own system.
pub(crate) fn with_own<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    runtime().block_on(test());
    leaks::assert_none();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

pub(crate) fn root() -> PathBuf {
    harness::checkout::root().unwrap()
}

pub(crate) fn options() -> SystemOptions {
    SystemOptions {
        sink: Some(leaks::sink()),
        // The proxies hold each function to its role.
        proxies: true,
        ..SystemOptions::isolated(&root()).unwrap()
    }
}

impl App {
    pub(crate) async fn start(options: SystemOptions) -> Self {
        let system = System::start(options)
            .await
            .unwrap_or_else(|error| panic!("{error:#}\n{}", leaks::last_lines()));
        let user = User::log_in(&system.api_url, Client::new()).await.unwrap();
        leaks::remember_signing_key(&system.endpoints.data);
        leaks::remember(&user.token());
        Self { system, user }
    }

    pub(crate) fn token(&self) -> String {
        self.user.token()
    }

    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.user.anonymous(method, path)
    }

    /// A request with the demo user's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.user.request(method, path)
    }

    pub(crate) fn post_order(&self, body: &Value) -> RequestBuilder {
        self.user.order(body)
    }

    /// Creates an order of `quantity` of one product and returns its id. The request has an
    /// idempotency key and is retried after a 503, because a busy machine may miss a deadline.
    pub(crate) async fn create_order(&self, product_id: u64, quantity: u64) -> String {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let key = format!("create-{}", CREATED.fetch_add(1, Ordering::Relaxed));
        let body = order_of(product_id, quantity);
        eventually("an order is created", async || {
            let response = self.user.order_under(&key, &body).send().await.unwrap();
            match response.status().as_u16() {
                201 => Some(text(&json_of(response).await["order_id"])),
                503 => None,
                status => panic!("{status}: {}", response.text().await.unwrap()),
            }
        })
        .await
    }

    pub(crate) async fn order(&self, order_id: &str) -> Value {
        let response = self.user.read(order_id).send().await.unwrap();
        assert_eq!(response.status(), 200);
        json_of(response).await
    }

    pub(crate) async fn wait_for_status(&self, order_id: &str, status: &str) -> Value {
        eventually(&format!("order {order_id} becomes {status}"), async || {
            let order = self.order(order_id).await;
            (order["status"] == status).then_some(order)
        })
        .await
    }

    /// Includes all copies.
    pub(crate) async fn topic(&self) -> Vec<StoredMessage> {
        self.read_topic(&self.system.names.topic).await
    }

    /// Includes all copies.
    pub(crate) async fn user_topic(&self) -> Vec<StoredMessage> {
        self.read_topic(&self.system.names.user_topic).await
    }

    async fn read_topic(&self, name: &str) -> Vec<StoredMessage> {
        let config = rocketmq_config(&self.system.endpoints, &self.system.names).unwrap();
        rocketmq::admin::read_topic(config, name).await.unwrap()
    }

    /// Consumes all events in a separate consumer group, as another service would, until `enough`
    /// of them have arrived.
    pub(crate) async fn consumed_by(
        &self,
        group_prefix: &str,
        enough: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let group_prefix = group_prefix.to_owned();
        let names = Names { group_prefix, ..self.system.names.clone() };
        let config = rocketmq_config(&self.system.endpoints, &names).unwrap();
        rocketmq::admin::create_topics(config.clone(), PATIENCE).await.unwrap();
        let subscription = RocketmqSubscription::start(config, SystemClock).unwrap();
        let deadline = Deadline::after(PATIENCE);
        let mut events = Vec::new();
        while !enough(&events) {
            assert!(!deadline.has_passed(), "{} events have arrived", events.len());
            for delivery in subscription.receive(32, deadline).await.unwrap_or_default() {
                // Another test may have published a message that is not an event.
                events.extend(
                    delivery
                        .body()
                        .ok()
                        .and_then(|body| serde_json::from_slice::<Value>(body).ok()),
                );
                // Otherwise the event is delivered once more.
                let _settled = subscription.acknowledge(&delivery).await;
            }
        }
        subscription.shutdown().await;
        events
    }

    /// The events of a type on the order topic, with all copies.
    pub(crate) async fn events_of(&self, event_type: &str) -> Vec<Value> {
        let messages = self.topic().await;
        messages
            .iter()
            .filter(|message| message.tag.as_deref() == Some(event_type))
            .map(|message| serde_json::from_slice(&message.body).unwrap())
            .collect()
    }

    pub(crate) async fn item(&self, table: &str, key: &[(&str, &str)]) -> Option<Item> {
        let client = dynamodb::connect_to(&self.system.endpoints.table_url);
        let mut read = client
            .get_item()
            .table_name(self.system.names.table(table).unwrap())
            .consistent_read(true);
        for (name, value) in key {
            read = read.key(*name, AttributeValue::S((*value).to_owned()));
        }
        read.send().await.unwrap().item
    }

    pub(crate) async fn items(&self, table: &str) -> Vec<Item> {
        let client = dynamodb::connect_to(&self.system.endpoints.table_url);
        let mut pages = client
            .scan()
            .table_name(self.system.names.table(table).unwrap())
            .consistent_read(true)
            .into_paginator()
            .send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            items.extend(page.unwrap().items.unwrap_or_default());
        }
        items
    }

    pub(crate) async fn stock(&self, product_id: u64) -> i64 {
        let key = format!("PRODUCT#{product_id}");
        let item = self.item("CatalogTable", &[("pk", &key)]).await.unwrap();
        item["stock"].as_n().unwrap().parse().unwrap()
    }
}

pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// Polls until a condition holds, at most for `PATIENCE`.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?}, but never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Asserts that an answer is a problem document of a kind (RFC 9457) and returns it.
pub(crate) async fn problem(response: Response, status: u16, slug: &str) -> Value {
    assert_eq!(response.status().as_u16(), status, "{slug}");
    let body = assert_conforms(slug, response).await;
    assert_eq!(body["type"], format!("urn:order-service:problem:{slug}"), "{body}");
    body
}
