//! `GET /v1/products`

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{App, json_of, problem, with_app};

/// Page by page, from a path on.
async fn products(app: &App, first: &str, limit: u8) -> Vec<Value> {
    let (mut products, mut path) = (Vec::new(), format!("{first}limit={limit}"));
    loop {
        let response = app.anonymous(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = json_of(response).await;
        let on_page = body["products"].as_array().unwrap();
        assert!(on_page.len() <= usize::from(limit));
        products.extend(on_page.clone());
        let Some(cursor) = body["next_cursor"].as_str() else { return products };
        path = format!("/v1/products?limit={limit}&cursor={cursor}");
    }
}

/// Each product is listed once and shows only what users may see.
fn ids_of(products: &[Value]) -> BTreeSet<u64> {
    for product in products {
        let members: Vec<_> = product.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["available", "currency", "name", "product_id", "unit_price"]);
    }
    let ids: BTreeSet<u64> =
        products.iter().map(|product| product["product_id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), products.len(), "a product is listed twice");
    ids
}

/// Other tests add products meanwhile, fewer than a page, so what follows is new to this one.
async fn nothing_old_follows_the_last(app: &App, all: &[Value], ids: &BTreeSet<u64>) {
    let last = all.last().unwrap()["product_id"].as_u64().unwrap();
    let path = format!("/v1/products?limit=100&cursor={last}");
    let response = app.anonymous(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = json_of(response).await;
    let beyond = ids_of(body["products"].as_array().unwrap());
    assert!(beyond.is_disjoint(ids), "{beyond:?} were listed before {last}");
    assert_eq!(body["next_cursor"], Value::Null);
}

#[test]
fn products_are_listed_without_a_token_and_without_their_stock() {
    with_app(async |app| {
        let all = products(app, "/v1/products?", 4).await;
        let ids = ids_of(&all);
        assert!((1..=10).all(|id| ids.contains(&id)), "{ids:?}");
        nothing_old_follows_the_last(app, &all, &ids).await;
        // The cursor names no product. A table has no order, so some products may come after the
        // cursor. Other tests add products meanwhile, and none is ever removed.
        let beyond = ids_of(&products(app, "/v1/products?cursor=9007199254740991&", 4).await);
        let ids = ids_of(&products(app, "/v1/products?", 100).await);
        assert!(beyond.is_subset(&ids), "{beyond:?} are not among {ids:?}");
        for query in [
            "cursor=-1",
            "cursor=x",
            "cursor=01",
            "cursor=9007199254740992",
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=5&limit=5",
        ] {
            let path = format!("/v1/products?{query}");
            let response = app.anonymous(Method::GET, &path).send().await.unwrap();
            problem(response, 400, "invalid-parameter").await;
        }
    });
}
