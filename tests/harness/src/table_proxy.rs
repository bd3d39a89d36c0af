//! A proxy before the table that reads DynamoDB's HTTP requests.
//!
//! It distinguishes calls by their `X-Amz-Target`, and reads their bodies. Calls that no rule
//! strikes are passed on unchanged. A held call outlives its caller, like a real call that is still
//! on its way when a process dies.

mod answer;
mod exchange;
mod upstream;

use std::net::Ipv4Addr;
use std::sync::Arc;

pub use answer::TableAnswer;

use tokio::time::Instant;

use crate::door::Door;
use crate::faults::{NewRule, Point, Rules, Traffic};
use crate::roles::Role;
use exchange::Exchange;
pub(crate) use upstream::{Cut, TableEndpoint, Upstream};

/// A call on its way to the table, or on its way back.
#[derive(Debug, Clone)]
pub struct TableCall {
    pub at: Instant,
    /// Such as `TransactWriteItems`.
    pub operation: String,
    pub body: serde_json::Value,
    /// `None` at [`Point::Request`].
    pub answer: Option<TableAnswer>,
}

impl Traffic for TableCall {
    type Answer = TableAnswer;
}

impl TableCall {
    /// The partition key or the sort key of an item in the call that begins with `kind`, such as
    /// `ORDER#…` for `ORDER#`.
    #[must_use]
    pub fn key_of(&self, kind: &str) -> Option<String> {
        find_key(&self.body, kind)
    }

    /// Whether the call names an item with a key that begins with `kind`.
    #[must_use]
    pub fn touches(&self, kind: &str) -> bool {
        self.key_of(kind).is_some()
    }
}

/// Looks for `{"pk": {"S": "…"}}` and `{"sk": {"S": "…"}}` anywhere in a call.
fn find_key(value: &serde_json::Value, kind: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(members) => {
            let key = ["pk", "sk"].into_iter().find_map(|name| {
                let text = members.get(name)?.get("S")?.as_str()?;
                text.starts_with(kind).then(|| text.to_owned())
            });
            key.or_else(|| members.values().find_map(|member| find_key(member, kind)))
        }
        serde_json::Value::Array(items) => items.iter().find_map(|item| find_key(item, kind)),
        _ => None,
    }
}

/// Matches calls to one operation, such as `TransactWriteItems`.
pub fn calls(operation: &'static str) -> impl Fn(&TableCall) -> bool + Clone + Send + Sync {
    move |call| call.operation == operation
}

pub struct TableProxy {
    exchange: Arc<Exchange>,
    door: Door,
}

impl TableProxy {
    /// Starts a proxy before the table at `upstream`, on a free port.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: &str) -> anyhow::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, upstream).await
    }

    /// [`TableProxy::start`] on another address of this machine, such as one that containers reach.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_at(address: Ipv4Addr, upstream: &str) -> anyhow::Result<Self> {
        Self::start_before(address, Arc::new(TableEndpoint::new(upstream))).await
    }

    /// [`TableProxy::start_at`] before any [`Upstream`].
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn start_before(
        address: Ipv4Addr,
        upstream: Arc<dyn Upstream>,
    ) -> anyhow::Result<Self> {
        let exchange = Arc::new(Exchange::new(upstream));
        let visited = Arc::clone(&exchange);
        let door =
            Door::open_at(address, move |caller| exchange::serve(caller, Arc::clone(&visited)));
        Ok(Self { exchange, door: door.await? })
    }

    /// Such as `http://127.0.0.1:8001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.door.address())
    }

    /// From now on, refuses calls that the caller's role does not permit. A proxy has one role at
    /// most.
    pub(crate) fn judge_by(&self, role: Role) {
        if self.exchange.role.set(role).is_err() {
            tracing::error!("a proxy was given a second role");
        }
    }

    pub fn on(
        &self,
        point: Point,
        matches: impl Fn(&TableCall) -> bool + Send + Sync + 'static,
    ) -> NewRule<TableCall> {
        self.exchange.rules.on(point, matches)
    }

    /// From now on, calls `look` with every call that the table has answered, and the table's own
    /// answer, whatever rules do to that answer. This ends with the proxy.
    pub fn watch(&self, look: impl Fn(&TableCall) + Send + Sync + 'static) {
        self.exchange.watch(look);
    }

    #[must_use]
    pub fn rules(&self) -> &Rules<TableCall> {
        &self.exchange.rules
    }

    #[must_use]
    pub fn calls(&self) -> u64 {
        self.exchange.calls()
    }

    /// Cuts all connections and refuses new ones, like a table that is down. Returns how many it
    /// has cut.
    ///
    /// # Errors
    /// When another process has taken the port.
    pub async fn refuse(&self) -> anyhow::Result<usize> {
        self.door.shut().await
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// When the port is not available.
    pub async fn accept(&self) -> anyhow::Result<()> {
        self.door.open().await
    }

    /// Removes all rules and accepts connections again.
    ///
    /// # Errors
    /// When the port is not available.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.rules().heal();
        self.accept().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use serde_json::json;
    use tokio::time::Instant;

    use super::{TableAnswer, TableCall, TableProxy, calls};
    use crate::faults::{Point, Toxic};
    use crate::table::{EmbeddedTable, client};

    const LIMIT: Duration = Duration::from_secs(10);

    async fn proxied() -> (EmbeddedTable, TableProxy, aws_sdk_dynamodb::Client) {
        let table = EmbeddedTable::start(0, None).await.unwrap();
        let proxy = TableProxy::start(&table.url()).await.unwrap();
        // One try, so that the test sees each fault.
        let config = client(&proxy.url()).config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).build();
        (table, proxy, aws_sdk_dynamodb::Client::from_conf(config))
    }

    #[test]
    fn the_keys_of_a_call_are_found_at_any_depth() {
        let product = json!({"Update": {"Key": {"pk": {"S": "PRODUCT#1"}}}});
        let order = json!({"Update": {"Key": {"pk": {"S": "USER#1"}, "sk": {"S": "ORDER#o"}}}});
        let body = json!({"TransactItems": [order, product]});
        let (at, operation) = (Instant::now(), "TransactWriteItems".to_owned());
        let call = TableCall { at, operation, body, answer: None };
        assert_eq!(call.key_of("PRODUCT#").as_deref(), Some("PRODUCT#1"));
        assert_eq!(call.key_of("ORDER#").as_deref(), Some("ORDER#o"));
        assert!(!call.touches("DEAD#"));
    }

    #[tokio::test]
    async fn calls_pass_and_each_toxic_has_its_effect() {
        let (_table, proxy, client) = proxied().await;
        let list = || client.list_tables().send();
        assert!(list().await.is_ok());
        {
            let rule = proxy.on(Point::Request, calls("ListTables")).inflict(Toxic::Lose);
            assert!(list().await.is_err());
            assert_eq!(rule.struck(), 1);
        }
        for toxic in [Toxic::Reset, Toxic::Answer(TableAnswer::throttled())] {
            let _rule = proxy.on(Point::Response, calls("ListTables")).inflict(toxic);
            assert!(list().await.is_err());
        }
        let slow = Toxic::Slice { bytes: 7, pause: Duration::from_millis(1) };
        for toxic in [slow, Toxic::Repeat(2), Toxic::Delay(Duration::from_millis(20))] {
            let rule = proxy.on(Point::Response, calls("ListTables")).inflict(toxic);
            assert!(list().await.is_ok());
            assert_eq!(rule.struck(), 1);
        }
        proxy.refuse().await.unwrap();
        assert!(list().await.is_err());
        proxy.heal().await.unwrap();
        assert!(list().await.is_ok());
    }

    #[tokio::test]
    async fn a_watcher_sees_only_calls_that_reach_the_table() {
        let (_table, proxy, client) = proxied().await;
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        proxy.watch(move |call| {
            assert!(call.answer.is_some());
            counter.fetch_add(1, Ordering::Relaxed);
        });
        for (point, expected) in [(Point::Request, 0), (Point::Response, 1)] {
            let _rule = proxy.on(point, calls("ListTables")).inflict(Toxic::Lose);
            assert!(client.list_tables().send().await.is_err());
            assert_eq!(seen.load(Ordering::Relaxed), expected);
        }
        proxy.heal().await.unwrap();
        assert!(client.list_tables().send().await.is_ok());
        assert_eq!(seen.load(Ordering::Relaxed), 2, "the watcher outlives the rules");
    }

    #[tokio::test]
    async fn a_held_call_goes_on_when_it_is_released_though_its_caller_is_gone() {
        let (_table, proxy, client) = proxied().await;
        let mut hold = proxy.on(Point::Request, calls("CreateTable")).once().hold();
        let create = client
            .create_table()
            .table_name("late")
            .attribute_definitions(definition())
            .key_schema(key())
            .billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest);
        let held = {
            let creating = create.send();
            tokio::pin!(creating);
            tokio::select! {
                _ = &mut creating => panic!("the call was not held"),
                held = hold.seen(LIMIT) => held.unwrap(),
            }
        };
        assert_eq!(held.traffic.body["TableName"], "late");
        assert!(client.list_tables().send().await.unwrap().table_names().is_empty());
        held.release();
        let created = async {
            while client.list_tables().send().await.unwrap().table_names().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, created).await.unwrap();
    }

    fn definition() -> aws_sdk_dynamodb::types::AttributeDefinition {
        aws_sdk_dynamodb::types::AttributeDefinition::builder()
            .attribute_name("pk")
            .attribute_type(aws_sdk_dynamodb::types::ScalarAttributeType::S)
            .build()
            .unwrap()
    }

    fn key() -> aws_sdk_dynamodb::types::KeySchemaElement {
        aws_sdk_dynamodb::types::KeySchemaElement::builder()
            .attribute_name("pk")
            .key_type(aws_sdk_dynamodb::types::KeyType::Hash)
            .build()
            .unwrap()
    }
}
