//! Orders that their user cancels.

use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use dynamodb::administration::put_products;
use dynamodb::config::{CatalogTable, TableName};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{App, eventually, json_of, problem, text, with_app};

/// No other test sells the product.
async fn sell(app: &App, product_id: u64, stock: u32) {
    let product = Product {
        id: ProductId::new(product_id).unwrap(),
        name: "Sold by one test".to_owned(),
        unit_price: Money::from_minor(100).unwrap(),
        stock,
    };
    let name = TableName::parse(app.system.names.table("CatalogTable").unwrap()).unwrap();
    let tables = dynamodb::connect_to(&app.system.endpoints.table_url);
    put_products(&tables, &CatalogTable::named(name), &[product]).await.unwrap();
}

async fn cancel(app: &App, order_id: &str) -> (StatusCode, Value) {
    let path = format!("/v1/orders/{order_id}/cancel");
    let response = app.request(Method::POST, &path).send().await.unwrap();
    (response.status(), json_of(response).await)
}

/// Retries after a 503, as a careful client does.
async fn cancelled(app: &App, order_id: &str) -> Value {
    until_cancelled(async || cancel(app, order_id).await).await
}

async fn cancelled_under(app: &App, order_id: &str, key: &str) -> Value {
    let path = format!("/v1/orders/{order_id}/cancel");
    until_cancelled(async || {
        let request = app.request(Method::POST, &path).header("idempotency-key", key);
        let response = request.send().await.unwrap();
        (response.status(), json_of(response).await)
    })
    .await
}

async fn until_cancelled(cancel: impl AsyncFn() -> (StatusCode, Value)) -> Value {
    eventually("the order is cancelled", async || {
        let (status, order) = cancel().await;
        match status.as_u16() {
            200 => Some(order),
            503 => None,
            status => panic!("{status}: {order}"),
        }
    })
    .await
}

async fn is_available(app: &App, product_id: u64) -> bool {
    let mut path = "/v1/products?limit=100".to_owned();
    loop {
        let response = app.anonymous(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let page = json_of(response).await;
        let mut products = page["products"].as_array().unwrap().iter();
        if let Some(product) = products.find(|product| product["product_id"] == product_id) {
            return product["available"].as_bool().unwrap();
        }
        let cursor = page["next_cursor"].as_str().expect("the product is on a page");
        path = format!("/v1/products?limit=100&cursor={cursor}");
    }
}

/// The list of products may be slightly older than the stock.
async fn becomes_available(app: &App, product_id: u64, expected: bool) {
    eventually(&format!("product {product_id} has available: {expected}"), async || {
        (is_available(app, product_id).await == expected).then_some(())
    })
    .await;
}

async fn types_of(app: &App, order_id: &str) -> Vec<String> {
    let events = app.topic().await.into_iter();
    let events = events.map(|message| serde_json::from_slice::<Value>(&message.body).unwrap());
    let of_order = events.filter(|event| event["subject"] == order_id);
    of_order.map(|event| text(&event["type"])).collect()
}

#[test]
fn a_cancelled_order_gives_its_stock_back_once_and_says_so() {
    with_app(async |app| {
        sell(app, 901, 10).await;
        let order_id = app.create_order(901, 3).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        assert_eq!(app.stock(901).await, 7);
        let answers = join_all((0..10).map(|_| cancelled(app, &order_id))).await;
        for answer in answers {
            assert_eq!(
                (&answer["status"], &answer["order_id"]),
                (&json!("CANCELLED"), &json!(order_id))
            );
        }
        assert_eq!(app.stock(901).await, 10);
        let order = eventually("the user is notified of the cancel", async || {
            let order = app.order(&order_id).await;
            (order["notifications"].as_array().unwrap().len() == 3).then_some(order)
        })
        .await;
        let history = order["history"].as_array().unwrap().iter();
        let statuses: Vec<_> = history.map(|change| text(&change["status"])).collect();
        assert_eq!(statuses, ["CREATED", "CONFIRMED", "CANCELLED"]);
        let types = types_of(app, &order_id).await;
        let cancels = types.iter().filter(|event_type| event_type.contains("OrderCancelled"));
        assert_eq!(cancels.count(), 1, "{types:?}");
    });
}

/// At any time there is stock for a quarter of the orders. In the end each order is CANCELLED, or
/// REJECTED if other orders held the stock, and holds no stock.
#[test]
fn a_cancel_may_race_with_the_reservation() {
    with_app(async |app| {
        sell(app, 902, 5).await;
        let race = async |_| {
            let order_id = app.create_order(902, 1).await;
            eventually("the cancel is answered", async || {
                let (status, order) = cancel(app, &order_id).await;
                matches!(status.as_u16(), 200 | 409).then_some(order)
            })
            .await;
            order_id
        };
        for order_id in join_all((0..20).map(race)).await {
            eventually("nothing of the order is pending", async || {
                let order = app.order(&order_id).await;
                let changes = order["history"].as_array().unwrap().len();
                let notified = order["notifications"].as_array().unwrap().len();
                (changes == notified).then_some(())
            })
            .await;
            let status = text(&app.order(&order_id).await["status"]);
            assert!(matches!(&*status, "CANCELLED" | "REJECTED"), "{status}");
        }
        assert_eq!(app.stock(902).await, 5);
    });
}

/// The key makes no difference: a repeated cancel finds the order cancelled.
#[test]
fn a_cancel_that_is_sent_twice_under_one_key_gives_the_stock_back_once() {
    with_app(async |app| {
        sell(app, 904, 10).await;
        let order_id = app.create_order(904, 4).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        assert_eq!(app.stock(904).await, 6);
        for _ in 0..2 {
            let order = cancelled_under(app, &order_id, "cancel-twice").await;
            assert_eq!(
                (&order["status"], &order["order_id"]),
                (&json!("CANCELLED"), &json!(order_id))
            );
            assert_eq!(app.stock(904).await, 10);
        }
        let order = app.order(&order_id).await;
        let history = order["history"].as_array().unwrap().iter();
        let statuses: Vec<_> = history.map(|change| text(&change["status"])).collect();
        assert_eq!(statuses, ["CREATED", "CONFIRMED", "CANCELLED"]);
    });
}

/// The order holds stock, so a cancel by the wrong user would be noticed.
#[test]
fn another_user_cannot_cancel_a_confirmed_order() {
    with_app(async |app| {
        sell(app, 905, 10).await;
        let order_id = app.create_order(905, 4).await;
        let before = eventually("the user is notified of the confirmed order", async || {
            let order = app.order(&order_id).await;
            let notified = order["notifications"].as_array().unwrap().len();
            (order["status"] == "CONFIRMED" && notified == 2).then_some(order)
        })
        .await;
        let path = format!("/v1/orders/{order_id}/cancel");
        let theirs = crate::users::login::token_of(app, 124, crate::users::login::now()).await;
        let request = app.anonymous(Method::POST, &path).bearer_auth(theirs);
        problem(request.send().await.unwrap(), 404, "not-found").await;
        assert_eq!(app.order(&order_id).await, before);
        assert_eq!(app.stock(905).await, 6);
        cancelled(app, &order_id).await;
        assert_eq!(app.stock(905).await, 10);
    });
}

#[test]
fn a_product_that_is_sold_out_is_available_again_after_a_cancel() {
    with_app(async |app| {
        sell(app, 906, 2).await;
        becomes_available(app, 906, true).await;
        let order_id = app.create_order(906, 2).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        becomes_available(app, 906, false).await;
        cancelled(app, &order_id).await;
        becomes_available(app, 906, true).await;
    });
}

#[test]
fn what_cannot_be_cancelled_is_refused_and_says_why() {
    with_app(async |app| {
        sell(app, 903, 1).await;
        let rejected = app.create_order(903, 2).await;
        app.wait_for_status(&rejected, "REJECTED").await;
        let path = format!("/v1/orders/{rejected}/cancel");
        let response = app.request(Method::POST, &path).send().await.unwrap();
        problem(response, 409, "conflict").await;
        let missing = "/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057/cancel";
        problem(app.request(Method::POST, missing).send().await.unwrap(), 404, "not-found").await;
        let response = app.anonymous(Method::POST, &path).send().await.unwrap();
        problem(response, 401, "unauthorized").await;
        let response = app.request(Method::GET, &path).send().await.unwrap();
        problem(response, 405, "method-not-allowed").await;
        let theirs = crate::users::login::token_of(app, 124, crate::users::login::now()).await;
        let response = app.anonymous(Method::POST, &path).bearer_auth(theirs).send().await.unwrap();
        problem(response, 404, "not-found").await;
        let request = app.request(Method::POST, &path).header("idempotency-key", "a,b");
        problem(request.send().await.unwrap(), 400, "invalid-header").await;
    });
}
