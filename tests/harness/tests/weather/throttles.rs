//! Calls that exceed a partition's limits.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use harness::weather::{PartitionLimits, WeatherSettings};

use super::rig::{Rig, text};

/// Partitions with `write_units` and `read_units` that practically never refill.
async fn rig(write_units: f64, read_units: f64) -> Rig {
    let slow = 1e9;
    let partition = PartitionLimits {
        write_units_per_second: write_units / slow,
        read_units_per_second: read_units / slow,
        burst_seconds: slow,
    };
    Rig::start(WeatherSettings { partition, ..WeatherSettings::CALM }).await
}

fn put(rig: &Rig, user: &str, order: &str) -> PutItemFluentBuilder {
    let put = rig.client.put_item().table_name("orders");
    put.item("pk", text(user)).item("sk", text(order))
}

#[tokio::test]
async fn a_partition_that_is_over_its_limit_is_throttled_and_no_other() {
    let rig = rig(3.0, 1.0).await;
    for order in ["a", "b", "c"] {
        put(&rig, "USER#1", order).send().await.unwrap();
    }
    let throttled = put(&rig, "USER#1", "d").send().await.unwrap_err().into_service_error();
    assert!(throttled.is_throttling_exception(), "{throttled:?}");
    put(&rig, "USER#2", "d").send().await.unwrap();

    let query = |user: &str| {
        let query = rig.client.query().table_name("orders").key_condition_expression("pk = :pk");
        query.expression_attribute_values(":pk", text(user)).consistent_read(true).send()
    };
    assert_eq!(query("USER#1").await.unwrap().count, 3);
    assert_eq!(query("USER#1").await.unwrap_err().code(), Some("ThrottlingException"));
    assert_eq!(query("USER#2").await.unwrap().count, 1);
    assert_eq!(rig.weather.consumption().throttles, 2);
}

#[tokio::test]
async fn later_calls_pay_for_a_large_item() {
    let rig = rig(3.0, 1.0).await;
    put(&rig, "USER#1", "a").item("text", text(&"x".repeat(2_000))).send().await.unwrap();
    put(&rig, "USER#1", "b").send().await.unwrap();
    let throttled = put(&rig, "USER#1", "c").send().await.unwrap_err().into_service_error();
    assert!(throttled.is_throttling_exception(), "{throttled:?}");
}

#[tokio::test]
async fn a_transaction_is_cancelled_for_the_items_of_partitions_over_their_limit() {
    let rig = rig(5.0, 1.0).await;
    rig.transaction(&["a", "b"]).send().await.unwrap();
    let cancelled = rig.transaction(&["c"]).send().await.unwrap_err();
    let cancelled = cancelled.into_service_error();
    assert!(cancelled.is_transaction_canceled_exception(), "{cancelled:?}");
    assert!(cancelled.to_string().contains("[ThrottlingError]"), "{cancelled}");
    // The refused call took no units.
    put(&rig, "USER#1", "d").send().await.unwrap();
}

#[tokio::test]
async fn a_sparse_indexs_partition_counts_entries_that_are_added_or_removed() {
    let rig = rig(3.0, 1.0).await;
    let number = |value: &str| AttributeValue::N(value.to_owned());
    let pending = |user: &str, shard: &str| {
        put(&rig, user, "a").item("shard_id", text(shard)).item("due_ms", number("1")).send()
    };
    let update = |user: &str, expression: &str| {
        let update = rig.client.update_item().table_name("orders");
        update.key("pk", text(user)).key("sk", text("a")).update_expression(expression)
    };
    pending("USER#1", "7").await.unwrap();
    pending("USER#2", "7").await.unwrap();
    update("USER#1", "REMOVE shard_id, due_ms").send().await.unwrap();
    let throttled = pending("USER#3", "7").await.unwrap_err().into_service_error();
    assert!(throttled.is_throttling_exception(), "{throttled:?}");
    assert!(throttled.to_string().contains("global secondary indexes"), "{throttled}");
    // An unchanged entry costs its partition nothing, and the other entries are in other
    // partitions.
    let unindexed = update("USER#2", "SET note = :n").expression_attribute_values(":n", text("n"));
    unindexed.send().await.unwrap();
    pending("USER#3", "8").await.unwrap();
}
