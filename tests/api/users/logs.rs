//! No secret and no personal data reaches a log.

use reqwest::Method;
use serde_json::json;

use super::{Visitor, new_email};
use crate::app::{eventually, with_app};
use crate::leaks;

#[test]
fn no_log_line_holds_a_password_a_token_or_an_address() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("canary-address");
        let password = "canary-password-of-good-length";
        visitor.try_to_register(&email, password).await;
        visitor.try_to_register(&email, password).await;
        let session = super::Session::of(visitor.try_to_log_in(&email, password).await).await;
        visitor.try_to_log_in(&email, "canary-wrong-password").await;
        // The password in the wrong field, and an address that would forge a log line.
        visitor.try_to_log_in("canary-password-as-address", "canary-x").await;
        let forged = "canary\r\n{\"level\":\"ERROR\",\"message\":\"canary-injected\"}@example.com";
        visitor.try_to_log_in(forged, "canary-x").await;
        visitor.try_to_register(forged, password).await;
        let next = super::Session::of(visitor.refresh(&session.refresh).await).await;
        visitor.refresh(&next.refresh).await;
        visitor.refresh(&session.refresh).await;
        visitor.get("/v1/users/me?canary-query=1", &next.access).await;
        visitor.get("/v1/users/me", "canary-access-token").await;
        let body = json!({"current_password": password, "new_password": "canary-new"});
        let change = visitor.request(Method::POST, "/v1/users/me/password");
        let last = change.bearer_auth(&next.access).json(&body).send().await.unwrap();
        let request_id = last.headers()["apigw-requestid"].to_str().unwrap().to_owned();

        eventually("the last request is in the log", async || {
            (!leaks::lines_with(&request_id).is_empty()).then_some(())
        })
        .await;
        leaks::assert_none();
        // The acts themselves are logged.
        for message in ["registered", "logged in", "refused a login", "used twice", "refreshed"] {
            assert!(!leaks::lines_with(message).is_empty(), "{message}");
        }
    });
}
