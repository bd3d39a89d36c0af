//! While the table is down or throttles, nobody logs in.

use harness::faults::{Point, Toxic};
use harness::table_proxy::TableAnswer;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::mail::{confirm, own_system, reset, token};
use super::{PASSWORD, Session, Visitor, WRONG, new_email};
use crate::app::{App, eventually, json_of, problem, text, with_own};

#[test]
fn nothing_fails_open() {
    with_own(async || {
        let (app, mailbox) = own_system().await;
        let visitor = Visitor::new(&app);
        let email = new_email("outage");
        visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let confirming = token(&mailbox, &email, "Confirm your e-mail").await;
        let asked = visitor.post("/v1/password-resets", &json!({"email": email})).await;
        assert_eq!(asked.status(), 202);
        let resetting = token(&mailbox, &email, "new password").await;
        let order_id = confirmed_order(&visitor, &session).await;
        nobody_logs_in_while_a_call_fails(&app, &visitor).await;
        let proxies = app.system.proxies.as_ref().unwrap();
        let functions = [
            "user-login",
            "register-user",
            "user-account",
            "create-order",
            "get-order",
            "cancel-order",
        ];
        let known = Known { email, session, order_id, confirming, resetting };
        for function in functions {
            proxies.of_function(function).unwrap().table.refuse().await.unwrap();
        }
        for request in requests(&visitor, &known) {
            let answer = request.try_clone().unwrap().send().await.unwrap();
            assert_eq!(answer.status(), 503, "{request:?}");
            problem(answer, 503, "unavailable").await;
        }
        for function in functions {
            proxies.of_function(function).unwrap().table.accept().await.unwrap();
        }
        assert_nothing_changed(&visitor, &known).await;
        app.system.stop().await;
    });
}

/// One call of a login fails at a time.
async fn nobody_logs_in_while_a_call_fails(app: &App, visitor: &Visitor) {
    let proxies = app.system.proxies.as_ref().unwrap();
    let toxics = [
        Toxic::Answer(TableAnswer::throttled()),
        Toxic::Answer(TableAnswer::internal_error()),
        Toxic::Lose,
    ];
    // Each kind of item that a login reads or writes. A failed login is recorded under its user, or
    // under `NOBODY#` if the address is unknown.
    for (kind, is_known, password) in [
        ("EMAIL#", true, PASSWORD),
        ("USER#", true, PASSWORD),
        ("GUESS#", true, PASSWORD),
        ("SOURCES#", true, PASSWORD),
        ("SESSION#", true, PASSWORD),
        ("ACTIVITY#", true, WRONG),
        ("NOBODY#", false, WRONG),
    ] {
        for toxic in &toxics {
            let table = &proxies.of_function("user-login").unwrap().table;
            let struck = move |call: &harness::table_proxy::TableCall| call.touches(kind);
            // A new account each time: a login that fails before its password is verified stays
            // counted as a guess.
            let email = new_email("struck");
            if is_known {
                visitor.register(&email).await;
            }
            let rule = table.on(Point::Request, struck).inflict(toxic.clone());
            let answer = visitor.try_to_log_in(&email, password).await;
            assert!(answer.headers().contains_key("retry-after"), "{kind} {toxic:?}");
            problem(answer, 503, "unavailable").await;
            assert!(rule.struck() > 0, "{kind} {toxic:?}");
            drop(rule);
        }
    }
}

/// A user with a confirmed order and two mails.
struct Known {
    email: String,
    session: Session,
    order_id: String,
    confirming: String,
    resetting: String,
}

/// Asserts that no request in the outage changed anything.
async fn assert_nothing_changed(visitor: &Visitor, known: &Known) {
    let Known { email, session, order_id, confirming, resetting } = known;
    let account = visitor.get("/v1/users/me", &session.access).await;
    assert_eq!(account.status(), 200);
    let account = json_of(account).await;
    assert_eq!(account["email_confirmed"], false);
    assert!(account.get("requested_email").is_none_or(Value::is_null), "{account}");
    assert_eq!(order(visitor, session, order_id).await["status"], "CONFIRMED");
    let session = Session::of(visitor.refresh(&session.refresh).await).await;
    visitor.log_in(email).await;
    // The mailed tokens are still valid, so they were neither used nor replaced.
    assert_eq!(confirm(visitor, confirming).await.status(), 204);
    assert_eq!(reset(visitor, resetting, WRONG).await.status(), 204);
    let over = visitor.get("/v1/users/me", &session.access).await;
    problem(over, 401, "unauthorized").await;
}

async fn order(visitor: &Visitor, session: &Session, order_id: &str) -> Value {
    let path = format!("/v1/orders/{order_id}");
    json_of(visitor.get(&path, &session.access).await).await
}

async fn confirmed_order(visitor: &Visitor, session: &Session) -> String {
    let body = json!({"items": [{"product_id": 9, "quantity": 1}]});
    let order_id = eventually("an order is created", async || {
        let request = visitor.request(Method::POST, "/v1/orders").json(&body);
        let request = request.bearer_auth(&session.access).header("idempotency-key", "outage");
        let response = request.send().await.unwrap();
        match response.status().as_u16() {
            201 => Some(text(&json_of(response).await["order_id"])),
            503 => None,
            status => panic!("{status}: {}", json_of(response).await),
        }
    })
    .await;
    eventually("the order is confirmed", async || {
        (order(visitor, session, &order_id).await["status"] == "CONFIRMED").then_some(())
    })
    .await;
    order_id
}

/// One request of each kind that users send; each needs the table.
fn requests(visitor: &Visitor, known: &Known) -> Vec<RequestBuilder> {
    let Known { email, session, order_id, confirming, resetting } = known;
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    let (shown, cancelled) =
        (format!("/v1/orders/{order_id}"), format!("/v1/orders/{order_id}/cancel"));
    let anonymous = [
        ("/v1/users", json!({"email": new_email("outage"), "password": PASSWORD})),
        ("/v1/users/login", json!({"email": email, "password": PASSWORD})),
        ("/v1/users/login", json!({"email": email, "password": WRONG})),
        ("/v1/users/login", json!({"email": new_email("nobody"), "password": WRONG})),
        ("/v1/users/token", json!({"refresh_token": session.refresh})),
        ("/v1/users/logout", json!({"refresh_token": session.refresh})),
        ("/v1/email-confirmations", json!({"token": confirming})),
        // The answer is the same for an address without an account.
        ("/v1/password-resets", json!({"email": email})),
        ("/v1/password-resets", json!({"email": new_email("nobody")})),
        ("/v1/password-resets/confirm", json!({"token": resetting, "new_password": WRONG})),
    ];
    let of_session = [
        (&post, "/v1/users/logout", json!({"everywhere": true})),
        (&get, "/v1/users/me", Value::Null),
        (&get, "/v1/users/me/activity", Value::Null),
        (
            &post,
            "/v1/users/me/password",
            json!({"current_password": PASSWORD, "new_password": WRONG}),
        ),
        (&delete, "/v1/users/me", json!({"current_password": PASSWORD})),
        (&post, "/v1/users/me/email-confirmation", Value::Null),
        (
            &put,
            "/v1/users/me/email",
            json!({"email": new_email("outage"), "current_password": PASSWORD}),
        ),
        (&post, "/v1/orders", json!({"items": [{"product_id": 9, "quantity": 1}]})),
        (&get, &*shown, Value::Null),
        (&get, "/v1/orders", Value::Null),
        (&post, &*cancelled, Value::Null),
        (&get, "/v1/products", Value::Null),
        (&get, "/.well-known/jwks.json", Value::Null),
    ];
    let anonymous = anonymous.iter().map(|(path, body)| (&post, *path, body, None));
    let of_session = of_session
        .iter()
        .map(|(method, path, body)| (*method, *path, body, Some(session.access.as_str())));
    anonymous
        .chain(of_session)
        .map(|(method, path, body, token)| {
            let request = visitor.request(method.clone(), path);
            let request = if body.is_null() { request } else { request.json(body) };
            token.into_iter().fold(request, RequestBuilder::bearer_auth)
        })
        .collect()
}
