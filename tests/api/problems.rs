//! Whatever goes wrong on whatever route, what is told has one form (RFC 9457).

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::app::{json_of, with_app};
use crate::users::Visitor;

/// What no answer may hold: names of what is inside, and where.
const INSIDE: &[&str] =
    &["arn:", "dynamo", "rocketmq", "broker", "aws", "sdk", ".rs", "panicked", "/src/", "table"];

/// Asserts that an answer is a problem document and nothing else.
async fn assert_conforms(what: &str, response: Response) {
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
    let told = body.to_string().to_lowercase();
    for inside in INSIDE {
        assert!(!told.contains(inside), "{what}: {inside} in {body}");
    }
}

fn is_type(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("urn:order-service:problem:"))
}

/// A JSON pointer in a fragment (RFC 6901, section 6) and a sentence.
fn is_fault(fault: &Value) -> bool {
    let pointer =
        fault["pointer"].as_str().is_some_and(|text| text == "#" || text.starts_with("#/"));
    let detail = fault["detail"].as_str().is_some_and(|text| !text.is_empty());
    pointer && detail && fault.as_object().is_some_and(|members| members.len() == 2)
}

/// Bodies that no route takes, however they are wrong.
fn bad_bodies() -> Vec<(&'static str, String)> {
    vec![
        ("no body", String::new()),
        ("half a body", "{\"".to_owned()),
        ("no JSON", "NaN".to_owned()),
        ("a number that is none", "{\"email\": 1e400}".to_owned()),
        ("a list", "[]".to_owned()),
        ("depth", "[".repeat(10_000)),
        ("an unknown member", json!({"is_admin": true}).to_string()),
        ("a member twice", "{\"email\": \"a\", \"email\": \"b\"}".to_owned()),
        ("wrong types", json!({"email": 1, "password": [], "items": "two"}).to_string()),
        ("too much", format!("{{\"email\": \"{}\"}}", "x".repeat(65 * 1024))),
    ]
}

/// Sends what no route can take to one route, and judges each answer that tells an error.
async fn try_everything(visitor: &Visitor, token: &str, method: &Method, path: &str) -> usize {
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

#[test]
fn every_error_of_every_route_has_one_form() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let token = app.token();
        let routes = app.system.template.functions.iter().flat_map(|function| &function.routes);
        let (mut judged, mut tried) = (0, 0);
        for route in routes.filter(|route| route.path != "$default") {
            let path = route.path.replace("{order_id}", "no-order");
            // The demo user stays: other tests need him.
            let method: Method = route.method.parse().unwrap();
            let token = if method == Method::DELETE { "forged" } else { token };
            judged += try_everything(&visitor, token, &method, &path).await;
            // A method that the path doesn't have, and a path that nobody has.
            for (method, path, status) in
                [(Method::PATCH, path.clone(), 405), (Method::GET, format!("{path}/x/y"), 404)]
            {
                let response = visitor.request(method.clone(), &path).send().await.unwrap();
                assert_eq!(response.status(), status, "{method} {path}");
                assert_conforms(&format!("{method} {path}"), response).await;
            }
            tried += 1;
        }
        assert!(judged > 20 * tried, "{judged} errors of {tried} routes");
    });
}
