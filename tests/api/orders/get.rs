//! Orders that are shown, and orders that are not.

use std::time::Duration;

use application::outcome::WriteTry;
use application::ports::{Clock, Fences, IdentitySource};
use domain::identity::UserId;
use dynamodb::DynamoOrders;
use dynamodb::config::{OrdersTable, TableName};
use harness::provision::DEMO_USER_ID;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use reqwest::Method;
use serde_json::json;

use crate::app::{App, problem, with_app};

/// A token for another user, signed with the system's own key.
async fn another_users_token(app: &App) -> String {
    crate::users::login::token_of(app, 124, crate::users::login::now()).await
}

#[test]
fn another_users_order_is_not_found() {
    with_app(async |app| {
        let order_id = app.create_order(6, 1).await;
        let path = format!("/v1/orders/{order_id}");
        let theirs = app
            .anonymous(Method::GET, &path)
            .bearer_auth(another_users_token(app).await)
            .send()
            .await
            .unwrap();
        let theirs = problem(theirs, 404, "not-found").await;
        let missing = app
            .request(Method::GET, "/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057")
            .send()
            .await
            .unwrap();
        let missing = problem(missing, 404, "not-found").await;
        assert_eq!(theirs["detail"], missing["detail"]);
    });
}

/// A check-back has ended an attempt that created no order.
#[test]
fn a_tombstone_is_not_an_order() {
    with_app(async |app| {
        let tables = dynamodb::connect_to(&app.system.endpoints.table_url);
        let name = TableName::parse(app.system.names.table("OrdersTable").unwrap()).unwrap();
        let orders = DynamoOrders::new(tables, OrdersTable::named(name));
        let order_id = UuidIdentitySource.order_id();
        let (user_id, attempt) =
            (UserId::new(DEMO_USER_ID).unwrap(), UuidIdentitySource.transaction_id());
        let until = SystemClock.now().plus(Duration::from_secs(3_600));
        let fenced = orders.fence(user_id, order_id, attempt, until).await;
        assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
        let path = format!("/v1/orders/{order_id}");
        let answer = app.request(Method::GET, &path).send().await.unwrap();
        problem(answer, 404, "not-found").await;
    });
}

#[test]
fn another_user_cannot_be_named_in_a_body() {
    with_app(async |app| {
        let body = json!({"user_id": 124, "items": [{"product_id": 1, "quantity": 1}]});
        let response = app.post_order(&body).send().await.unwrap();
        problem(response, 403, "forbidden").await;
    });
}

#[test]
fn an_invalid_order_id_is_not_found() {
    with_app(async |app| {
        for path in ["/v1/orders/1", "/v1/orders/..%2F..", "/v1/orders/%00"] {
            let response = app.request(Method::GET, path).send().await.unwrap();
            problem(response, 404, "not-found").await;
        }
    });
}

#[test]
fn unknown_paths_and_methods_are_problems_too() {
    with_app(async |app| {
        let response = app.request(Method::GET, "/v2/orders").send().await.unwrap();
        problem(response, 404, "not-found").await;
        let response = app.request(Method::PUT, "/v1/orders").send().await.unwrap();
        assert_eq!(response.headers()["allow"], "POST, GET, HEAD");
        problem(response, 405, "method-not-allowed").await;
    });
}
