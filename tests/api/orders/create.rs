//! Orders that are created.

use std::collections::HashSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::app::{eventually, json_of, text, with_app};
use crate::leaks;

#[test]
fn an_order_is_created_and_then_confirmed_by_its_event() {
    with_app(async |app| {
        let body = json!({"user_id": 123, "items": [
            {"product_id": 2, "quantity": 1}, {"product_id": 1, "quantity": 2},
            {"product_id": 2, "quantity": 2},
        ]});
        let response = app.post_order(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let created = json_of(response).await;
        let order_id = text(&created["order_id"]);
        assert_eq!(location, format!("/v1/orders/{order_id}"));
        assert_eq!(created["status"], "CREATED");
        assert_eq!(created["currency"], "EUR");
        assert_eq!(
            created["items"],
            json!([
                {"product_id": 1, "quantity": 2, "unit_price": 1250},
                {"product_id": 2, "quantity": 3, "unit_price": 1890},
            ])
        );
        assert_eq!(created["total"], 2 * 1250 + 3 * 1890);

        let confirmed = app.wait_for_status(&order_id, "CONFIRMED").await;
        assert_eq!(confirmed["total"], created["total"]);
        let notifications = eventually("the user is notified of both events", async || {
            let order = app.order(&order_id).await;
            let notifications = order["notifications"].as_array().unwrap().clone();
            (notifications.len() == 2).then_some(notifications)
        })
        .await;
        let types: HashSet<_> = notifications.iter().map(|entry| text(&entry["type"])).collect();
        assert_eq!(types, HashSet::from(["OrderCreated".to_owned(), "OrderConfirmed".to_owned()]));
    });
}

#[test]
fn an_order_for_more_than_the_stock_is_rejected() {
    with_app(async |app| {
        let client = dynamodb::connect_to(&app.system.endpoints.table_url);
        let table = app.system.names.table("CatalogTable").unwrap();
        client
            .update_item()
            .table_name(table)
            .key("pk", aws_sdk_dynamodb::types::AttributeValue::S("PRODUCT#9".to_owned()))
            .update_expression("SET stock = :five")
            .expression_attribute_values(
                ":five",
                aws_sdk_dynamodb::types::AttributeValue::N("5".to_owned()),
            )
            .send()
            .await
            .unwrap();
        let order_id = app.create_order(9, 6).await;
        app.wait_for_status(&order_id, "REJECTED").await;
        assert_eq!(app.stock(9).await, 5);
        let order_id = app.create_order(9, 5).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        assert_eq!(app.stock(9).await, 0);
    });
}

#[test]
fn the_log_names_the_request_the_order_its_event_and_the_attempt() {
    with_app(async |app| {
        let order_id = app.create_order(5, 1).await;
        app.order(&order_id).await;
        for (function, fields) in [
            ("create-order", ["request_id", "order_id", "event_id", "transaction_id"].as_slice()),
            ("get-order", ["request_id", "order_id"].as_slice()),
        ] {
            let line = eventually("the request is logged", async || {
                let lines = leaks::lines_with(&order_id).into_iter();
                let of_function = format!("[{function}] ");
                let mut lines =
                    lines.filter_map(|line| line.strip_prefix(&of_function).map(ToOwned::to_owned));
                lines.find(|line| line.contains("request answered"))
            })
            .await;
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            for field in fields {
                assert!(line[field].as_str().is_some_and(|id| !id.is_empty()), "{field}: {line}");
            }
            assert_eq!(
                (&line["order_id"], line["user_id"].as_u64()),
                (&order_id.as_str().into(), Some(123))
            );
        }
    });
}

#[test]
fn two_hundred_orders_at_once_are_two_hundred_orders_and_events() {
    with_app(async |app| {
        let before = app.stock(3).await;
        let quantities: Vec<u64> = (0..200).map(|n| n % 3 + 1).collect();
        let created =
            join_all(quantities.iter().map(|quantity| app.create_order(3, *quantity))).await;
        let orders: HashSet<String> = created.into_iter().collect();
        assert_eq!(orders.len(), 200);

        for order_id in &orders {
            app.wait_for_status(order_id, "CONFIRMED").await;
        }
        let sum = i64::try_from(quantities.iter().sum::<u64>()).unwrap();
        assert_eq!(app.stock(3).await, before - sum);

        let ids = |events: &[serde_json::Value]| -> HashSet<String> {
            let is_ours = |event: &&serde_json::Value| {
                event["type"] == "OrderCreated"
                    && event["subject"].as_str().is_some_and(|subject| orders.contains(subject))
            };
            events.iter().filter(is_ours).map(|event| text(&event["id"])).collect()
        };
        let consumed = app.consumed_by("another-", |events| ids(events).len() == 200).await;
        // No order has a second event.
        let stored = app.events_of("OrderCreated").await;
        assert_eq!(ids(&stored), ids(&consumed));
    });
}

#[test]
fn an_event_carries_what_its_contract_says() {
    with_app(async |app| {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let body = json!({"items": [{"product_id": 4, "quantity": 1}]});
        let response = app.post_order(&body).header("traceparent", trace).send().await.unwrap();
        let order_id = text(&json_of(response).await["order_id"]);
        let message = eventually("its event is on the topic", async || {
            let messages = app.topic().await;
            messages.into_iter().find(|message| {
                message.keys.contains(&order_id) && message.tag.as_deref() == Some("OrderCreated")
            })
        })
        .await;
        let event: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["type"], "OrderCreated");
        assert_eq!(event["subject"], order_id);
        assert_eq!(event["data"]["user_id"], 123);
        assert_eq!(event["data"]["aggregate_version"], 1);
        assert!(message.keys.contains(&text(&event["id"])));
        let property = |name: &str| message.properties.get(name).map(String::as_str);
        assert_eq!(property("event_id"), event["id"].as_str());
        assert_eq!(property("traceparent"), Some(trace));
        assert_eq!(property("schema_version"), Some("1"));
        assert_eq!(property("aggregate_version"), Some("1"));
        for name in ["transaction_id", "deadline_ms"] {
            assert!(property(name).is_some(), "{name}");
        }
    });
}

#[test]
fn a_product_keeps_its_price_in_an_order() {
    with_app(async |app| {
        let order_id = app.create_order(5, 1).await;
        let order = app.order(&order_id).await;
        assert_eq!(order["items"][0]["unit_price"], 590);
        let path = format!("/v1/orders/{order_id}");
        let again = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(again.headers()["cache-control"], "no-store");
    });
}
