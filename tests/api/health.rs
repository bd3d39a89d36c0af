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
