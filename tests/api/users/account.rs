//! `/v1/users/me` and the paths below it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, Session, Visitor, WRONG, new_email};
use crate::app::{App, json_of, problem, text, with_app};

const NEW: &str = "yet-another-canary-of-good-length";

async fn change(visitor: &Visitor, token: &str, current: &str, new: &str) -> reqwest::Response {
    let request = visitor.request(Method::POST, "/v1/users/me/password").bearer_auth(token);
    let body = json!({"current_password": current, "new_password": new});
    request.json(&body).send().await.unwrap()
}

async fn activities(visitor: &Visitor, token: &str) -> Vec<Value> {
    let answer = visitor.get("/v1/users/me/activity", token).await;
    assert_eq!(answer.status(), 200);
    json_of(answer).await["activities"].as_array().unwrap().clone()
}

#[test]
fn a_changed_password_ends_all_other_sessions() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("password");
        visitor.register(&email).await;
        let other = visitor.log_in(&email).await;
        let current = visitor.log_in(&email).await;
        assert_eq!(change(&visitor, &current.access, PASSWORD, NEW).await.status(), 204);
        assert_eq!(visitor.get("/v1/users/me", &current.access).await.status(), 200);
        Session::of(visitor.refresh(&current.refresh).await).await;
        problem(visitor.refresh(&other.refresh).await, 401, "unauthorized").await;
        let over = visitor.get("/v1/users/me", &other.access).await;
        problem(over, 401, "unauthorized").await;
        assert_eq!(visitor.try_to_log_in(&email, PASSWORD).await.status(), 401);
        assert_eq!(visitor.try_to_log_in(&email, NEW).await.status(), 200);
    });
}

#[test]
fn a_password_is_not_changed_without_the_current_one_which_cannot_be_guessed() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("kept");
        visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let token = &session.access;
        let refused = change(&visitor, token, PASSWORD, "too short").await;
        let refused = problem(refused, 422, "validation").await;
        assert_eq!(refused["errors"][0]["pointer"], "#/new_password");
        for _ in 0..10 {
            let refused = change(&visitor, token, WRONG, NEW).await;
            let refused = problem(refused, 422, "validation").await;
            assert_eq!(refused["errors"][0]["pointer"], "#/current_password");
        }
        let refused = change(&visitor, token, PASSWORD, NEW).await;
        assert!(refused.headers().contains_key("retry-after"));
        problem(refused, 429, "too-many-requests").await;
        visitor.log_in(&email).await;
    });
}

#[test]
fn a_deleted_account_is_gone_and_its_orders_stay_without_it() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("deleted");
        let user_id = visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let order = visitor.request(Method::POST, "/v1/orders").bearer_auth(&session.access);
        let order = order.json(&json!({"items": [{"product_id": 7, "quantity": 1}]}));
        let order = json_of(order.send().await.unwrap()).await;

        for (body, member) in [(json!({"current_password": "wrong"}), "current_password")] {
            let delete = visitor.request(Method::DELETE, "/v1/users/me").json(&body);
            let refused = delete.bearer_auth(&session.access).send().await.unwrap();
            let answer = problem(refused, 422, "validation").await;
            assert_eq!(answer["errors"][0]["pointer"], format!("#/{member}"), "{answer}");
        }
        let delete = visitor.request(Method::DELETE, "/v1/users/me").bearer_auth(&session.access);
        let delete = delete.json(&json!({"current_password": PASSWORD}));
        assert_eq!(delete.send().await.unwrap().status(), 204);
        let gone = visitor.get("/v1/users/me", &session.access).await;
        problem(gone, 401, "unauthorized").await;
        problem(visitor.refresh(&session.refresh).await, 401, "unauthorized").await;
        assert_eq!(visitor.try_to_log_in(&email, PASSWORD).await.status(), 401);
        assert_erased(app, user_id, &email).await;
        let key = [
            ("pk", format!("USER#{user_id}")),
            ("sk", format!("ORDER#{}", text(&order["order_id"]))),
        ];
        let key = [(key[0].0, key[0].1.as_str()), (key[1].0, key[1].1.as_str())];
        assert!(app.item("OrdersTable", &key).await.is_some());
        // The address can be registered again.
        visitor.register(&email).await;
    });
}

/// What a deleted account keeps: its number, and what its events are rebuilt from.
const LEFT: [&str; 12] = [
    "pk",
    "sk",
    "schema_version",
    "user_id",
    "registration",
    "deletion",
    "version",
    "revision",
    "pending",
    // While an event is pending.
    "shard",
    "due_ms",
    "since_ms",
];

/// Asserts that no item of the users table contains the address. Of the user's partition only the
/// account is left, with what is known to stay.
async fn assert_erased(app: &App, user_id: u64, email: &str) {
    let user = format!("USER#{user_id}");
    for item in app.items("UsersTable").await {
        assert!(!format!("{item:?}").contains(email), "{item:?}");
        if item["pk"].as_s().is_ok_and(|pk| *pk == user) {
            assert_eq!(item["sk"].as_s().unwrap(), "RECORD", "{item:?}");
            let has = |name| item.contains_key(name);
            assert!(has("deletion") && has("user_id") && has("registration"), "{item:?}");
            for attribute in item.keys() {
                assert!(LEFT.contains(&attribute.as_str()), "{attribute} is left: {item:?}");
            }
        }
    }
}

#[test]
fn an_owner_lists_the_activity_of_their_account() {
    with_app(async |app| {
        let (home, away) = (Visitor::new(app), Visitor::new(app));
        let email = new_email("activity");
        home.register(&email).await;
        let session = home.log_in(&email).await;
        for _ in 0..11 {
            away.try_to_log_in(&email, WRONG).await;
        }
        let session = Session::of(home.refresh(&session.refresh).await).await;
        let listed = activities(&home, &session.access).await;
        let kinds: Vec<_> = listed.iter().map(|line| text(&line["type"])).collect();
        let mut expected = vec!["REFRESHED".to_owned(), "LOCKED".to_owned()];
        expected.extend(vec!["LOGIN_FAILED".to_owned(); 10]);
        expected.extend(["LOGGED_IN".to_owned(), "REGISTERED".to_owned()]);
        assert_eq!(kinds, expected);
        assert_ne!(listed[1]["source"], listed[0]["source"]);
        assert_eq!(listed[0]["session_id"], listed[12]["session_id"]);
        assert!(listed.iter().all(|line| line["at"].is_string()));
    });
}

#[test]
fn activities_are_listed_page_by_page() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("pages");
        visitor.register(&email).await;
        let mut session = visitor.log_in(&email).await;
        for _ in 0..55 {
            session = Session::of(visitor.refresh(&session.refresh).await).await;
        }
        let first = json_of(visitor.get("/v1/users/me/activity", &session.access).await).await;
        assert_eq!(first["activities"].as_array().unwrap().len(), 50);
        let next = format!("/v1/users/me/activity?cursor={}", text(&first["next_cursor"]));
        let second = json_of(visitor.get(&next, &session.access).await).await;
        assert_eq!(second["activities"].as_array().unwrap().len(), 7);
        assert_eq!(second["activities"][6]["type"], "REGISTERED");
        let wrong = visitor.get("/v1/users/me/activity?cursor=../../x", &session.access).await;
        problem(wrong, 400, "invalid-parameter").await;
    });
}

#[test]
fn without_a_valid_token_no_account_is_shown() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        for (method, path) in [
            (Method::GET, "/v1/users/me"),
            (Method::DELETE, "/v1/users/me"),
            (Method::GET, "/v1/users/me/activity"),
            (Method::POST, "/v1/users/me/password"),
        ] {
            let answer = visitor.request(method, path).send().await.unwrap();
            assert!(answer.headers().contains_key("www-authenticate"), "{path}");
            problem(answer, 401, "unauthorized").await;
        }
        // The token's session does not exist.
        let token = super::login::token_of(app, 123, super::login::now()).await;
        problem(visitor.get("/v1/users/me", &token).await, 401, "unauthorized").await;
        let answer = visitor.request(Method::PUT, "/v1/users/me").send().await.unwrap();
        assert_eq!(answer.headers()["allow"], "GET, HEAD, DELETE");
        problem(answer, 405, "method-not-allowed").await;
    });
}
