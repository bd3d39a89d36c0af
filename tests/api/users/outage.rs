//! While the table is down or throttles, nobody logs in.

use harness::faults::{Point, Toxic};
use harness::table_proxy::TableAnswer;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{PASSWORD, Session, Visitor, WRONG, new_email};
use crate::app::{App, options, problem, with_own};

#[test]
fn nothing_fails_open() {
    with_own(async || {
        let options = options();
        let app = App::start(options).await;
        let visitor = Visitor::new(&app);
        let email = new_email("outage");
        visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let proxies = app.system.proxies.as_ref().unwrap();
        let toxics = [
            Toxic::Answer(TableAnswer::throttled()),
            Toxic::Answer(TableAnswer::internal_error()),
            Toxic::Lose,
        ];
        // Each kind of item that a login reads or writes. A failed login is recorded under its
        // user, or under `NOBODY#` if the address is unknown.
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
        let functions =
            ["user-login", "register-user", "user-account", "create-order", "get-order"];
        for function in functions {
            proxies.of_function(function).unwrap().table.refuse().await.unwrap();
        }
        for request in requests(&visitor, &session, &email) {
            let answer = request.try_clone().unwrap().send().await.unwrap();
            assert_eq!(answer.status(), 503, "{request:?}");
            problem(answer, 503, "unavailable").await;
        }
        for function in functions {
            proxies.of_function(function).unwrap().table.accept().await.unwrap();
        }
        // None of those requests changed anything.
        assert_eq!(visitor.get("/v1/users/me", &session.access).await.status(), 200);
        Session::of(visitor.refresh(&session.refresh).await).await;
        visitor.log_in(&email).await;
        app.system.stop().await;
    });
}

/// One request of each kind that users send; each of them needs the table.
fn requests(visitor: &Visitor, session: &Session, email: &str) -> Vec<RequestBuilder> {
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let anonymous = [
        ("/v1/users", json!({"email": new_email("outage"), "password": PASSWORD})),
        ("/v1/users/login", json!({"email": email, "password": PASSWORD})),
        ("/v1/users/login", json!({"email": email, "password": WRONG})),
        ("/v1/users/login", json!({"email": new_email("nobody"), "password": WRONG})),
        ("/v1/users/token", json!({"refresh_token": session.refresh})),
        ("/v1/users/logout", json!({"refresh_token": session.refresh})),
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
        (&post, "/v1/orders", json!({"items": [{"product_id": 9, "quantity": 1}]})),
        (&get, "/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057", Value::Null),
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
