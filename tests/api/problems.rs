//! Every error of every route is a problem document (RFC 9457).

use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::app::{App, json_of, problem, with_app};
use crate::users::Visitor;

/// No answer may contain these names of internal parts and files.
const INSIDE: &[&str] =
    &["arn:", "dynamo", "rocketmq", "broker", "aws", "sdk", ".rs", "panicked", "/src/", "table"];

/// Asserts that an answer is a problem document and nothing else, and returns it.
pub(crate) async fn assert_conforms(what: &str, response: Response) -> Value {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{what}: {status}");
    let body = json_of(response).await;
    let members = body.as_object().unwrap_or_else(|| panic!("{what}: {body}"));
    for (name, value) in members {
        match name.as_str() {
            "type" => assert!(is_type(value), "{what}: {body}"),
            "status" => assert_eq!(value, status, "{what}: {body}"),
            "title" | "detail" | "instance" => {
                assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{what}: {body}");
            }
            "errors" => {
                let faults = value.as_array().unwrap_or_else(|| panic!("{what}: {body}"));
                assert!(!faults.is_empty() && faults.iter().all(is_fault), "{what}: {body}");
            }
            "order_id" => assert!(value.is_string(), "{what}: {body}"),
            other => panic!("{what}: {other} in {body}"),
        }
    }
    for required in ["type", "title", "status", "detail", "instance"] {
        assert!(members.contains_key(required), "{what}: no {required} in {body}");
    }
    let text = body.to_string().to_lowercase();
    for inside in INSIDE {
        assert!(!text.contains(inside), "{what}: {inside} in {body}");
    }
    body
}

fn is_type(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("urn:order-service:problem:"))
}

/// Whether it is a JSON pointer in a fragment (RFC 6901, section 6) and a sentence.
fn is_fault(fault: &Value) -> bool {
    let pointer =
        fault["pointer"].as_str().is_some_and(|text| text == "#" || text.starts_with("#/"));
    let detail = fault["detail"].as_str().is_some_and(|text| !text.is_empty());
    pointer && detail && fault.as_object().is_some_and(|members| members.len() == 2)
}

/// Bodies that no route accepts.
fn bad_bodies() -> Vec<(&'static str, String)> {
    vec![
        ("no body", String::new()),
        ("half a body", "{\"".to_owned()),
        ("no JSON", "NaN".to_owned()),
        ("a number out of range", "{\"email\": 1e400}".to_owned()),
        ("a list", "[]".to_owned()),
        ("depth", "[".repeat(10_000)),
        ("an unknown member", json!({"is_admin": true}).to_string()),
        ("a member twice", "{\"email\": \"a\", \"email\": \"b\"}".to_owned()),
        ("wrong types", json!({"email": 1, "password": [], "items": "two"}).to_string()),
        ("too much", format!("{{\"email\": \"{}\"}}", "x".repeat(65 * 1024))),
    ]
}

/// Returns the number of checked error answers.
pub(crate) async fn try_everything(
    visitor: &Visitor,
    token: &str,
    method: &Method,
    path: &str,
) -> usize {
    let mut judged = 0;
    for token in [None, Some("forged"), Some(token)] {
        for (what, body) in bad_bodies() {
            let request = visitor.request(method.clone(), path).body(body);
            let request = request.header("content-type", "application/json");
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let response = request.send().await.unwrap();
            if response.status().is_success() {
                continue;
            }
            assert_conforms(&format!("{method} {path} with {what}"), response).await;
            judged += 1;
        }
    }
    judged
}

/// Causes every error of every route that is possible without an outage. Returns the number of
/// checked answers; all of them conform. `users/outage.rs` checks the answers in an outage.
pub(crate) async fn try_every_error(app: &App) -> usize {
    let visitor = Visitor::new(app);
    let token = app.token();
    let routes = app.system.template.functions.iter().flat_map(|function| &function.routes);
    let (mut judged, mut tried) = (0, 0);
    // An answer to HEAD has no content.
    for route in routes.filter(|route| route.path != "$default" && route.method != "HEAD") {
        let path = route.path.replace("{order_id}", "no-order");
        // The demo user is not deleted, because other tests need them.
        let method: Method = route.method.parse().unwrap();
        let token = if method == Method::DELETE { "forged" } else { token.as_str() };
        judged += try_everything(&visitor, token, &method, &path).await;
        // A method that the path does not support, and an unknown path.
        for (method, path, status) in
            [(Method::PATCH, path.clone(), 405), (Method::GET, format!("{path}/x/y"), 404)]
        {
            let response = visitor.request(method.clone(), &path).send().await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            assert_conforms(&format!("{method} {path}"), response).await;
            judged += 1;
        }
        tried += 1;
    }
    assert!(judged > 20 * tried, "{judged} errors of {tried} routes");
    judged + try_single_statuses(app).await
}

/// Statuses of single routes: 403, 409, 415 and 429.
async fn try_single_statuses(app: &App) -> usize {
    let visitor = Visitor::new(app);
    let strangers = json!({"user_id": 124, "items": [{"product_id": 1, "quantity": 1}]});
    problem(app.post_order(&strangers).send().await.unwrap(), 403, "forbidden").await;
    let taken = json!({"email": DEMO_EMAIL, "password": "a-canary-that-is-long-enough"});
    let answer = visitor.request(Method::POST, "/v1/users").json(&taken).send().await.unwrap();
    problem(answer, 409, "conflict").await;
    let mut judged = 2;
    for path in ["/v1/users", "/v1/users/login", "/v1/users/token", "/v1/users/logout"] {
        let request = visitor.request(Method::POST, path).header("content-type", "text/plain");
        let answer = request.body(taken.to_string()).send().await.unwrap();
        problem(answer, 415, "unsupported-media-type").await;
        judged += 1;
    }
    let nobody = json!({"email": "canary-nobody-waits@example.com", "password": "x"});
    let mut waits = 0;
    for _ in 0..12 {
        let request = visitor.request(Method::POST, "/v1/users/login").json(&nobody);
        let answer = request.send().await.unwrap();
        waits += usize::from(answer.status() == 429);
        assert_conforms("a guess", answer).await;
        judged += 1;
    }
    assert_eq!(waits, 2);
    judged
}

#[test]
fn every_error_of_every_route_has_one_form() {
    with_app(async |app| {
        try_every_error(app).await;
    });
}

#[test]
fn a_member_that_the_contract_does_not_have_is_refused_in_a_body_that_is_good_otherwise() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let token = app.token();
        let password = DEMO_PASSWORD;
        let bodies = [
            ("/v1/users/login", json!({"email": DEMO_EMAIL, "password": password})),
            ("/v1/users/token", json!({"refresh_token": "x"})),
            ("/v1/users/logout", json!({"refresh_token": "x"})),
            (
                "/v1/users/me/password",
                json!({"current_password": password, "new_password": password}),
            ),
            ("/v1/orders", json!({"items": [{"product_id": 1, "quantity": 1}]})),
        ];
        for (path, good) in bodies {
            for member in ["status", "price", "is_admin", "user_id"] {
                // An order may name its user.
                if path == "/v1/orders" && member == "user_id" {
                    continue;
                }
                let mut body = good.clone();
                body[member] = json!(123);
                let request = visitor.request(Method::POST, path).bearer_auth(&token).json(&body);
                let refused = problem(request.send().await.unwrap(), 422, "validation").await;
                let pointer = format!("#/{member}");
                assert_eq!(refused["errors"][0]["pointer"], pointer, "{path}: {refused}");
            }
        }
    });
}
