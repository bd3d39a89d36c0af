//! An account may hold only a limited number of open units.

use reqwest::Method;

use crate::app::{App, json_of, options, with_own};

/// A product of the demo with more units than the test orders.
const PRODUCT: u64 = 1;

async fn cancel(app: &App, order_id: &str) {
    let path = format!("/v1/orders/{order_id}/cancel");
    let response = app.request(Method::POST, &path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(json_of(response).await["status"], "CANCELLED");
}

#[test]
fn an_order_of_more_than_its_account_may_hold_is_rejected_until_another_one_is_cancelled() {
    with_own(async || {
        let mut options = options();
        options.parameters.insert("OpenUnitsMax".to_owned(), "5".to_owned());
        let app = App::start(options).await;
        let before = app.stock(PRODUCT).await;
        let first = app.create_order(PRODUCT, 3).await;
        app.wait_for_status(&first, "CONFIRMED").await;
        let second = app.create_order(PRODUCT, 3).await;
        app.wait_for_status(&second, "REJECTED").await;
        assert_eq!(app.stock(PRODUCT).await, before - 3);
        cancel(&app, &first).await;
        let third = app.create_order(PRODUCT, 5).await;
        app.wait_for_status(&third, "CONFIRMED").await;
        assert_eq!(app.stock(PRODUCT).await, before - 5);
        app.system.stop().await;
    });
}
