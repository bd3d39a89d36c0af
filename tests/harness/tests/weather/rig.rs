//! A table, a proxy that holds its calls, the weather before both, and a client.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use harness::table::{EmbeddedTable, client};
use harness::table_proxy::TableProxy;
use harness::weather::{Weather, WeatherSettings};
use serde_json::{Value, json};

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    /// Behind the weather: a call that is held here is running.
    pub(crate) behind: TableProxy,
    pub(crate) weather: Arc<Weather>,
    pub(crate) client: Client,
    before: TableProxy,
    _table: EmbeddedTable,
}

impl Rig {
    pub(crate) async fn start(settings: WeatherSettings) -> Self {
        let table = EmbeddedTable::start(0, None).await.unwrap();
        create_orders(&table.url()).await;
        let behind = TableProxy::start(&table.url()).await.unwrap();
        let weather = Weather::new(&behind.url(), settings);
        let before = weather.proxy().await.unwrap();
        let config = client(&before.url()).config().to_builder();
        // One try, so that the test sees each refusal.
        let config = config.retry_config(RetryConfig::disabled()).build();
        let client = Client::from_conf(config);
        Self { behind, weather, client, before, _table: table }
    }

    pub(crate) fn url(&self) -> String {
        self.before.url()
    }

    /// A transaction that updates orders of user 1.
    pub(crate) fn transaction(&self, orders: &[&str]) -> TransactWriteItemsFluentBuilder {
        let items = orders.iter().map(|order| {
            let update = Update::builder()
                .table_name("orders")
                .key("pk", text("USER#1"))
                .key("sk", text(order))
                .update_expression("SET n = :n")
                .expression_attribute_values(":n", AttributeValue::N("1".to_owned()));
            TransactWriteItem::builder().update(update.build().unwrap()).build()
        });
        self.client.transact_write_items().set_transact_items(Some(items.collect()))
    }
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Sends a request as the SDKs do; the emulators check no signature.
pub(crate) async fn post(url: &str, operation: &str, request: &Value) -> Value {
    let credential = "Credential=local/20260101/eu-central-1/dynamodb/aws4_request";
    let answer = reqwest::Client::new()
        .post(url)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"),
        )
        .body(request.to_string())
        .send();
    answer.await.unwrap().json().await.unwrap()
}

/// [`post`], which fails on an error.
pub(crate) async fn send(url: &str, operation: &str, request: &Value) -> Value {
    let answer = post(url, operation, request).await;
    assert!(answer.get("__type").is_none(), "{operation}: {answer}");
    answer
}

/// Creates a table of orders with two sparse indexes, in either emulator.
pub(crate) async fn create_orders(url: &str) {
    let key = |partition: &str, sort: &str| {
        json!([
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ])
    };
    let index = |name: &str, key: Value| {
        let projection = json!({"ProjectionType": "KEYS_ONLY"});
        json!({"IndexName": name, "KeySchema": key, "Projection": projection})
    };
    let attributes = [
        ("pk", "S"),
        ("sk", "S"),
        ("user", "S"),
        ("created_ms", "N"),
        ("shard_id", "S"),
        ("due_ms", "N"),
    ];
    let attributes = attributes
        .map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}))
        .to_vec();
    let table = json!({
        "TableName": "orders",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": key("pk", "sk"),
        "GlobalSecondaryIndexes": [
            index("by_time", key("user", "created_ms")),
            index("pending", key("shard_id", "due_ms")),
        ],
    });
    send(url, "CreateTable", &table).await;
    let active = async {
        let describe = json!({"TableName": "orders"});
        while send(url, "DescribeTable", &describe).await["Table"]["TableStatus"] != "ACTIVE" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, active).await.unwrap();
}
