//! `POST /v1/users/login`, and invalid access tokens.

use application::ports::{AccessTokenIssuer, Bearer, SigningKeySource};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identity::{SessionId, UserId};
use domain::timestamp::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret;
use security::signing_key::{SigningKey, SigningKeyFile};
use security::tokens::Ed25519TokenIssuer;
use serde_json::json;

use crate::app::{App, json_of, problem, with_app};

#[expect(clippy::disallowed_methods, reason = "the test's own wall clock")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

#[test]
fn the_demo_user_logs_in() {
    with_app(async |app| {
        let body = json!({
            "email": "Demo@Example.com", "password": harness::provision::DEMO_PASSWORD,
        });
        let response =
            app.anonymous(Method::POST, "/v1/users/login").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let tokens = json_of(response).await;
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 900);
    });
}

#[test]
fn a_wrong_password_an_unknown_address_and_an_invalid_address_are_answered_alike() {
    with_app(async |app| {
        let mut problems = Vec::new();
        for (email, password) in [
            ("demo@example.com", "not-the-password-at-all"),
            ("nobody@example.com", "not-the-password-at-all"),
            ("no address", "not-the-password-at-all"),
        ] {
            let body = json!({"email": email, "password": password});
            let response =
                app.anonymous(Method::POST, "/v1/users/login").json(&body).send().await.unwrap();
            let mut problem = problem(response, 401, "unauthorized").await;
            problem["instance"] = json!(null);
            problems.push(problem);
        }
        assert_eq!(problems[0], problems[1]);
        assert_eq!(problems[0], problems[2]);
    });
}

#[test]
fn a_password_is_not_repeated_in_a_problem() {
    with_app(async |app| {
        let body = r#"{"email": "demo@example.com", "password": ["canary-password"]}"#;
        let response = app
            .anonymous(Method::POST, "/v1/users/login")
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let problem = problem(response, 422, "validation").await;
        assert!(!problem.to_string().contains("canary"), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], "#/password");
    });
}

#[test]
fn every_bad_token_is_answered_alike() {
    with_app(async |app| {
        let mut problems = Vec::new();
        for token in bad_tokens(app).await {
            let body = json!({"items": [{"product_id": 1, "quantity": 1}]});
            let response = app
                .anonymous(Method::POST, "/v1/orders")
                .header("authorization", format!("Bearer {token}"))
                .json(&body)
                .send()
                .await
                .unwrap();
            assert!(response.headers().contains_key("www-authenticate"), "{token}");
            let mut problem = problem(response, 401, "unauthorized").await;
            problem["instance"] = json!(null);
            problems.push(problem);
        }
        assert!(problems.windows(2).all(|pair| pair[0] == pair[1]), "{problems:?}");
        let missing = app.anonymous(Method::GET, "/v1/orders/1").send().await.unwrap();
        problem(missing, 401, "unauthorized").await;
    });
}

async fn signing_key(app: &App) -> SigningKey {
    let file = harness::provision::signing_key_file(&app.system.endpoints.data);
    SigningKey::parse(&SigningKeyFile::new(file).read().await.unwrap().unwrap()).unwrap()
}

/// Signed with the system's own key, for a session that does not exist.
pub(crate) async fn token_of(app: &App, user_id: u64, at: Timestamp) -> String {
    issue(signing_key(app).await, user_id, at).await
}

async fn issue(key: SigningKey, user_id: u64, at: Timestamp) -> String {
    let user_id = UserId::new(user_id).unwrap();
    let bearer = Bearer { user_id, session_id: SessionId::new(uuid::Uuid::from_u128(1)) };
    let token = Ed25519TokenIssuer::new(key).issue(bearer, at).await.unwrap();
    token.token.expose_secret().to_owned()
}

async fn bad_tokens(app: &App) -> Vec<String> {
    let expired = token_of(app, 123, Timestamp::from_millis(now().as_millis() - 3_600_000)).await;
    let strangers = issue(SigningKey::generate().unwrap(), 123, now()).await;
    let good = app.token();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let mut forged: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    forged["sub"] = json!("124");
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let header = good.split('.').next().unwrap();
    vec![
        expired,
        strangers,
        format!("{none}.{claims}."),
        format!("{header}.{forged}.{signature}"),
        signed.to_owned(),
        "x".repeat(5_000),
        "a.b.c".to_owned(),
    ]
}
