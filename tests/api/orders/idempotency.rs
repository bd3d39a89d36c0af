//! `Idempotency-Key`

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::json;

use crate::app::{json_of, problem, text, with_app};

#[test]
fn fifty_requests_with_one_key_at_once_are_one_order() {
    with_app(async |app| {
        let before = app.stock(7).await;
        let body = json!({"items": [{"product_id": 7, "quantity": 2}]});
        let send = async || {
            let request = app.post_order(&body).header("idempotency-key", "fifty");
            let response = request.send().await.unwrap();
            // A request that could not settle in time answers 503; a retry with the key then
            // settles it.
            match response.status().as_u16() {
                201 => {
                    let replayed = response.headers().contains_key("idempotency-replayed");
                    Some((text(&json_of(response).await["order_id"]), replayed))
                }
                503 => None,
                status => panic!("{status}"),
            }
        };
        let answers: Vec<_> = join_all((0..50).map(|_| send())).await;
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        let orders: HashSet<_> = answers.iter().map(|(order_id, _)| order_id.clone()).collect();
        assert_eq!(orders.len(), 1, "{answers:?}");
        assert!(answers.iter().filter(|(_, replayed)| !replayed).count() <= 1);
        let order_id = orders.into_iter().next().unwrap();
        assert_eq!(send().await, Some((order_id.clone(), true)));
        app.wait_for_status(&order_id, "CONFIRMED").await;
        assert_eq!(app.stock(7).await, before - 2);
    });
}

#[test]
fn a_replay_has_the_original_body_whatever_its_layout() {
    with_app(async |app| {
        let send = async |body: serde_json::Value| {
            app.post_order(&body).header("idempotency-key", "layout").send().await.unwrap()
        };
        let first = send(json!({"items": [
            {"product_id": 8, "quantity": 1}, {"product_id": 1, "quantity": 1},
        ]}))
        .await;
        assert_eq!(first.status(), 201);
        let location = first.headers()["location"].clone();
        let first = first.bytes().await.unwrap();
        let second = send(json!({"user_id": 123, "items": [
            {"product_id": 1, "quantity": 1}, {"product_id": 8, "quantity": 1},
        ]}))
        .await;
        assert_eq!(second.status(), 201);
        assert_eq!(second.headers()["idempotency-replayed"], "true");
        assert_eq!(second.headers()["location"], location);
        assert_eq!(second.bytes().await.unwrap(), first);

        let other = send(json!({"items": [{"product_id": 8, "quantity": 2}]})).await;
        problem(other, 422, "idempotency-key-reused").await;
    });
}

/// The body is made from the order as it was created.
#[test]
fn a_replay_has_the_original_body_after_the_order_has_changed() {
    with_app(async |app| {
        let body = json!({"items": [{"product_id": 8, "quantity": 3}]});
        let send =
            async || app.post_order(&body).header("idempotency-key", "later").send().await.unwrap();
        let first = json_of(send().await).await;
        let confirmed = app.wait_for_status(&text(&first["order_id"]), "CONFIRMED").await;
        assert_ne!(confirmed, first);
        let second = send().await;
        assert_eq!(second.headers()["idempotency-replayed"], "true");
        assert_eq!(json_of(second).await, first);
        // A key always names the same order.
        let products =
            json!({"items": [{"product_id": 8, "quantity": 3}, {"product_id": 9, "quantity": 1}]});
        let other = app.post_order(&products).header("idempotency-key", "later");
        problem(other.send().await.unwrap(), 422, "idempotency-key-reused").await;
    });
}

#[test]
fn an_invalid_key_is_refused() {
    with_app(async |app| {
        let body = json!({"items": [{"product_id": 1, "quantity": 1}]});
        let long = "k".repeat(256);
        for key in ["", "two words", "k\u{e9}y", &long] {
            let value = reqwest::header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
            let request = app.post_order(&body).header("idempotency-key", value);
            problem(request.send().await.unwrap(), 400, "invalid-header").await;
        }
    });
}
