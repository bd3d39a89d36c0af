//! Orders that their customer cancels.

use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use dynamodb::administration::put_products;
use dynamodb::config::{CatalogTable, TableName};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{App, eventually, json_of, problem, text, with_app};

/// Puts a product into the catalog that no other test sells.
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

/// Sends one request.
async fn cancel(app: &App, order_id: &str) -> (StatusCode, Value) {
    let path = format!("/v1/orders/{order_id}/cancel");
    let response = app.request(Method::POST, &path).send().await.unwrap();
    (response.status(), json_of(response).await)
}

/// Retries while the answer is 503, as a careful client does.
async fn cancelled(app: &App, order_id: &str) -> Value {
    eventually("the order is cancelled", async || {
        let (status, order) = cancel(app, order_id).await;
        match status.as_u16() {
            200 => Some(order),
            503 => None,
            status => panic!("{status}: {order}"),
        }
    })
    .await
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
        let order = eventually("the customer is notified of the cancel", async || {
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

/// There is stock for a quarter of the orders at a time. Whichever comes first, an order ends as
/// CANCELLED, or as REJECTED where other orders held the stock, and in the end it holds no stock.
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
        let theirs = crate::login::token_of(app, 124, crate::login::now()).await;
        let response = app.anonymous(Method::POST, &path).bearer_auth(theirs).send().await.unwrap();
        problem(response, 404, "not-found").await;
        let request = app.request(Method::POST, &path).header("idempotency-key", "a,b");
        problem(request.send().await.unwrap(), 400, "invalid-header").await;
    });
}
