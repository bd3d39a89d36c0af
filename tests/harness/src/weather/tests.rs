//! The latencies of calls, before a table that answers immediately.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{Operation, operation_name};
use super::latency::Latencies;
use super::{Weather, WeatherSettings};
use crate::table_proxy::{Cut, TableAnswer, Upstream};

/// Timers count whole milliseconds.
const TICK: Duration = Duration::from_millis(1);

/// A server with one table, which records each call and its time.
#[derive(Default)]
struct Table(Mutex<Vec<(String, Instant)>>);

impl Upstream for Table {
    fn send<'call>(
        &'call self,
        headers: &'call HeaderMap,
        _body: Bytes,
    ) -> BoxFuture<'call, Result<TableAnswer, Cut>> {
        let operation = operation_name(headers).unwrap().to_owned();
        let answer = match operation.as_str() {
            "DescribeTable" => json!({"Table": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            }}),
            _ => json!({}),
        };
        self.0.lock().unwrap().push((operation, Instant::now()));
        async move { Ok(TableAnswer::json(StatusCode::OK, &answer)) }.boxed()
    }
}

/// Weather after its first call, which reads the table's keys.
async fn weather() -> (Arc<Weather>, Arc<Table>, Latencies) {
    let table = Arc::new(Table::default());
    let before: Arc<dyn Upstream> = Arc::<Table>::clone(&table);
    let weather = Weather::before(before, WeatherSettings::AWS);
    let latencies = Latencies::new(WeatherSettings::AWS);
    call(&weather, "PutItem", "first").await;
    latencies.draw(Operation::PutItem, 1);
    (weather, table, latencies)
}

/// Returns the type of the call's error, or an empty text.
async fn call(weather: &Weather, operation: &'static str, item: &str) -> String {
    let key = json!({"pk": {"S": item}});
    let request = match operation {
        "TransactWriteItems" => {
            json!({"TransactItems": [{"Put": {"TableName": "orders", "Item": key}}]})
        }
        "PutItem" => json!({"TableName": "orders", "Item": key}),
        _ => json!({"TableName": "orders", "Key": key}),
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_static(operation));
    let answer = weather.send(&headers, request.to_string().into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let kind = answer["__type"].as_str().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_the_time_that_is_drawn_and_does_its_work_halfway() {
    let (weather, table, latencies) = weather().await;
    for (operation, name) in [
        (Operation::GetItem, "GetItem"),
        (Operation::PutItem, "PutItem"),
        (Operation::TransactWriteItems, "TransactWriteItems"),
    ] {
        let (latency, started) = (latencies.draw(operation, 1), Instant::now());
        assert_eq!(call(&weather, name, "a").await, "");
        let took = started.elapsed();
        assert!(latency <= took && took <= latency + TICK, "{name}: {took:?} for {latency:?}");
        let (operation, at) = table.0.lock().unwrap().last().unwrap().clone();
        assert_eq!(operation, name);
        let after = at - started;
        assert!(latency / 2 <= after && after <= latency / 2 + TICK, "{name}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_holds_its_item_for_its_whole_time() {
    let (weather, _table, latencies) = weather().await;
    let latency = latencies.draw(Operation::TransactWriteItems, 1);
    let started = Instant::now();
    let transaction = call(&weather, "TransactWriteItems", "a");
    let others = async {
        let (get, other, put, again) = tokio::join!(
            call(&weather, "GetItem", "a"),
            call(&weather, "PutItem", "b"),
            call(&weather, "PutItem", "a"),
            call(&weather, "TransactWriteItems", "a"),
        );
        assert_eq!([get.as_str(), other.as_str()], ["", ""]);
        assert_eq!(put, "TransactionConflictException");
        assert_eq!(again, "TransactionCanceledException");
    };
    let last = async {
        tokio::time::sleep_until(started + latency - 2 * TICK).await;
        assert_eq!(call(&weather, "PutItem", "a").await, "TransactionConflictException");
    };
    let (ended, (), ()) = tokio::join!(transaction, others, last);
    assert_eq!(ended, "");
    assert_eq!(call(&weather, "PutItem", "a").await, "");
    assert_eq!(weather.consumption().conflicts, 3);
    assert_eq!(weather.items_under_way(), 0);
}
