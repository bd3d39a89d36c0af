//! Another user's data is answered like data that does not exist.

use std::collections::BTreeMap;

use reqwest::{Method, Response};
use serde_json::Value;
use uuid::Uuid;

use super::{Visitor, comparable_headers, new_email, without_instance};
use crate::app::{App, problem, with_app};

/// Leaves out the id of the request and the date.
async fn comparable(response: Response) -> (BTreeMap<String, String>, Value) {
    let headers = comparable_headers(&response);
    (headers, without_instance(problem(response, 404, "not-found").await))
}

/// The routes with an order's identifier in their path. No other data of a user has an identifier
/// in a path.
fn routes(app: &App) -> Vec<(Method, String)> {
    let routes = app.system.template.functions.iter().flat_map(|function| &function.routes);
    routes
        .filter(|route| route.path.contains("{order_id}") && route.method != "HEAD")
        .map(|route| (route.method.parse().unwrap(), route.path.clone()))
        .collect()
}

#[test]
fn on_every_route_with_an_identifier_another_users_is_answered_like_an_unknown_one() {
    with_app(async |app| {
        let order_id: Uuid = app.create_order(6, 1).await.parse().unwrap();
        let stranger = Visitor::new(app);
        let email = new_email("stranger");
        stranger.register(&email).await;
        let session = stranger.log_in(&email).await;
        let routes = routes(app);
        assert!(!routes.is_empty());
        for (method, path) in routes {
            let ask = async |id: Uuid| {
                let path = path.replace("{order_id}", &id.to_string());
                assert!(!path.contains('{'), "{path}");
                let request = stranger.request(method.clone(), &path).bearer_auth(&session.access);
                comparable(request.send().await.unwrap()).await
            };
            // Neighbouring identifiers, which an attacker who knows one would try.
            let anothers = ask(order_id).await;
            for away in [1, 2, 0xffff] {
                let unknown = ask(Uuid::from_u128(order_id.as_u128() ^ away)).await;
                assert_eq!(anothers, unknown, "{method} {path}");
            }
        }
        let order = app.order(&order_id.to_string()).await;
        assert_eq!(order["order_id"], order_id.to_string());
    });
}
