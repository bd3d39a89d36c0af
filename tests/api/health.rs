//! `/health`

use reqwest::Method;

use crate::app::{json_of, with_app};

#[test]
fn a_whole_system_is_ready() {
    with_app(async |app| {
        let response = app.anonymous(Method::GET, "/health").send().await.unwrap();
        assert_eq!(json_of(response).await["status"], "ok");
        let response = app.anonymous(Method::GET, "/health/ready").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(json_of(response).await["status"].is_string());
    });
}

#[test]
fn head_is_answered_where_get_is() {
    with_app(async |app| {
        for (path, status) in [
            ("/health", 200),
            ("/health/ready", 200),
            ("/.well-known/jwks.json", 200),
            ("/v1/users/me", 401),
            ("/v1/orders", 401),
            ("/v1/products", 200),
            ("/v1/users", 405),
            ("/nothing", 404),
        ] {
            let response = app.anonymous(Method::HEAD, path).send().await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert!(response.headers().contains_key("content-type"), "{path}");
            assert!(response.bytes().await.unwrap().is_empty(), "{path}");
        }
        let allowed = app.anonymous(Method::PUT, "/health").send().await.unwrap();
        assert_eq!(allowed.headers()["allow"], "GET, HEAD");
    });
}
