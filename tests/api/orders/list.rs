//! `GET /v1/orders`

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{App, eventually, json_of, problem, text, with_app};
use crate::users::login::{now, token_of};

async fn get(app: &App, path: &str) -> Value {
    let response = app.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    json_of(response).await
}

fn page(body: &Value) -> (Vec<String>, Option<String>) {
    let orders = body["orders"].as_array().unwrap();
    let ids = orders.iter().map(|order| text(&order["order_id"])).collect();
    (ids, body["next_cursor"].as_str().map(str::to_owned))
}

#[test]
fn an_order_just_created_is_on_the_first_page_as_it_is_shown_alone() {
    with_app(async |app| {
        let order_id = app.create_order(1, 1).await;
        // At once: the index of this table has no lag. docs/api.md names that of DynamoDB.
        let body = get(app, "/v1/orders").await;
        let orders = body["orders"].as_array().unwrap().clone();
        let listed = orders.into_iter().find(|order| order["order_id"] == order_id.as_str());
        let listed = listed.unwrap();
        let shown = app.order(&order_id).await;
        for member in ["order_id", "user_id", "total", "items", "created_at", "currency"] {
            assert_eq!(listed[member], shown[member], "{member}");
        }
    });
}

/// Meanwhile other tests create orders of the same user, which come before the first page.
#[test]
fn the_pages_list_the_newest_first_and_each_order_once() {
    with_app(async |app| {
        let mut created = Vec::new();
        for _ in 0..5 {
            created.push(app.create_order(1, 1).await);
        }
        let mut listed = Vec::new();
        let mut path = "/v1/orders?limit=2".to_owned();
        // The oldest order comes last.
        while !listed.contains(&created[0]) {
            let (ids, cursor) = page(&get(app, &path).await);
            assert!(ids.len() <= 2);
            listed.extend(ids);
            path = format!("/v1/orders?limit=2&cursor={}", cursor.unwrap_or_default());
        }
        let distinct: BTreeSet<&String> = listed.iter().collect();
        assert_eq!(distinct.len(), listed.len());
        let of_this_test: Vec<_> = listed.iter().filter(|id| created.contains(id)).collect();
        assert_eq!(of_this_test, created.iter().rev().collect::<Vec<_>>());
    });
}

#[test]
fn orders_are_listed_by_status() {
    with_app(async |app| {
        let order_id = app.create_order(1, 1).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        let confirmed = get(app, "/v1/orders?status=CONFIRMED&limit=100").await;
        let statuses: BTreeSet<String> =
            confirmed["orders"].as_array().unwrap().iter().map(|o| text(&o["status"])).collect();
        assert_eq!(statuses, BTreeSet::from(["CONFIRMED".to_owned()]));
        assert!(page(&confirmed).0.contains(&order_id));
    });
}

#[test]
fn wrong_parameters_are_refused() {
    with_app(async |app| {
        app.create_order(1, 1).await;
        app.create_order(1, 1).await;
        let cursor = eventually("there is a second page", async || {
            page(&get(app, "/v1/orders?limit=1").await).1
        })
        .await;
        let forged = format!("{}{}", &cursor[..81], if cursor.ends_with('0') { '1' } else { '0' });
        let other_version = cursor.replacen("01", "02", 1);
        for query in [
            "limit=0".to_owned(),
            "limit=101".to_owned(),
            "limit=ten".to_owned(),
            "limit=5&limit=5".to_owned(),
            "status=SHIPPED".to_owned(),
            "cursor=".to_owned(),
            "cursor=x".to_owned(),
            format!("cursor={forged}"),
            format!("cursor={other_version}"),
            format!("status=CREATED&cursor={cursor}"),
        ] {
            let path = format!("/v1/orders?{query}");
            let response = app.request(Method::GET, &path).send().await.unwrap();
            problem(response, 400, "invalid-parameter").await;
        }
        // A cursor of another user.
        let path = format!("/v1/orders?cursor={cursor}");
        let request =
            app.anonymous(Method::GET, &path).bearer_auth(token_of(app, 124, now()).await);
        problem(request.send().await.unwrap(), 400, "invalid-parameter").await;
    });
}

#[test]
fn a_list_of_orders_needs_a_token() {
    with_app(async |app| {
        let response = app.anonymous(Method::GET, "/v1/orders").send().await.unwrap();
        problem(response, 401, "unauthorized").await;
    });
}
