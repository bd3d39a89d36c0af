use contracts::login::Login;
use contracts::order::CreateOrder;
use http::HeaderValue;
use lambda_http::Body;
use serde_json::Value;

use super::*;

fn request(body: impl Into<Body>) -> Request {
    let mut request = Request::new(body.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// The status and the document with which a body is refused.
fn refused<Expected: DeserializeOwned>(request: &Request) -> (u16, Value) {
    let problem = read_json::<Expected>(request).err().unwrap();
    let response = problem.into_response("r1");
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

fn order(body: &str) -> (u16, Value) {
    refused::<CreateOrder>(&request(body))
}

/// The pointer and the detail of an order that is refused with 422.
fn fault(body: &str) -> (String, String) {
    let (status, problem) = order(body);
    assert_eq!(status, 422, "{body}: {problem}");
    let text = |member: &str| problem["errors"][0][member].as_str().unwrap().to_owned();
    (text("pointer"), text("detail"))
}

fn at(pointer: &str, detail: &str) -> (String, String) {
    (pointer.to_owned(), detail.to_owned())
}

#[test]
fn a_good_body_is_read() {
    let body = r#" {"user_id": 123, "items": [{"product_id": 1, "quantity": 2}]} "#;
    for media_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/problem+json",
        "application/json,application/json; charset=utf-8",
    ] {
        for body in [Body::from(body), Body::from(body.as_bytes())] {
            let mut request = request(body);
            request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
            let order: CreateOrder = read_json(&request).unwrap();
            assert_eq!(order.items[0].quantity, 2);
        }
    }
}

#[test]
fn a_body_of_64_kib_is_read_and_a_longer_one_is_413() {
    let body = r#"{"items": []}"#;
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    assert!(read_json::<CreateOrder>(&request(padded(BODY_LENGTH_MAX))).is_ok());
    assert_eq!(refused::<CreateOrder>(&request(padded(BODY_LENGTH_MAX + 1))).0, 413);
    assert_eq!(refused::<CreateOrder>(&request("[".repeat(10 * 1024 * 1024))).0, 413);
}

#[test]
fn another_media_type_is_415() {
    for media_type in
        ["text/plain", "application/xml", "text/json", "", "json", "application/jsonx"]
    {
        let mut request = request("{}");
        request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
        assert_eq!(refused::<CreateOrder>(&request).0, 415, "{media_type}");
    }
    let mut missing = request("{}");
    missing.headers_mut().remove(CONTENT_TYPE);
    assert_eq!(refused::<CreateOrder>(&missing).0, 415);
    let mut twice = request("{}");
    twice.headers_mut().append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(refused::<CreateOrder>(&twice).0, 415);
    // As API Gateway joins them.
    twice
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json,text/plain"));
    assert_eq!(refused::<CreateOrder>(&twice).0, 415);
    let mut compressed = request("{}");
    compressed.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(refused::<CreateOrder>(&compressed).0, 415);
}

#[test]
fn what_is_not_json_is_400_with_its_place() {
    let (status, problem) = order("{\"items\":\n  oops}");
    assert_eq!(status, 400);
    assert_eq!(problem["detail"], "The body is not JSON: there is an error at line 2, column 3.");
    let deep = "[".repeat(10_000);
    for body in
        ["{", "{\"items\": [", "nul", "{\"items\": []} x", "{\"items\": [],}", "{'items': []}"]
    {
        assert_eq!(order(body).0, 400, "{body}");
    }
    for body in [&b"\xff"[..], b"{\"items\": [], \"\xff\": 1}", b"\xef\xbb\xbf{\"items\": []}"] {
        assert_eq!(refused::<CreateOrder>(&request(body)).0, 400, "{body:?}");
    }
    assert_eq!(refused::<Value>(&request(deep.as_str())).0, 400);
    assert_eq!(order("").0, 400);
    assert_eq!(refused::<CreateOrder>(&request(Body::Empty)).0, 400);
    assert_eq!(order("{\"user_id\": NaN, \"items\": []}").0, 400);
}

#[test]
fn json_that_is_not_an_order_is_422_with_the_place_and_the_rule() {
    let integer = "must be an integer that is not negative";
    let line = |member: &str, value: &str| {
        let other = if member == "quantity" { "product_id" } else { "quantity" };
        fault(&format!(r#"{{"items": [{{"{other}": 1, "{member}": {value}}}]}}"#))
    };
    for value in
        ["\"2\"", "-1", "1.5", "2.0", "-0", "null", "true", "[]", "{}", "18446744073709551616"]
    {
        assert_eq!(line("quantity", value), at("#/items/0/quantity", integer), "{value}");
    }
    assert_eq!(line("product_id", "1e400").0, "#/items/0/product_id");
    assert_eq!(fault(r#"{"user_id": "123", "items": []}"#), at("#/user_id", integer));
    assert_eq!(fault("{}"), at("#", "has no `items`"));
    assert_eq!(fault(r#"{"items": [{"product_id": 1}]}"#), at("#/items/0", "has no `quantity`"));
    assert_eq!(fault(r#"{"items": 7}"#), at("#/items", "must be an array"));
    assert_eq!(fault(r#"{"items": [7]}"#), at("#/items/0", "must be an object"));
    for body in ["7", "null", "\"order\"", "true"] {
        assert_eq!(fault(body), at("#", "must be an object"), "{body}");
    }
}

#[test]
fn an_array_is_not_an_object() {
    assert_eq!(fault("[123, [[1, 2]]]"), at("#", "must be an object"));
    assert_eq!(fault(r#"{"items": [[1, 2]]}"#), at("#/items/0", "must be an object"));
}

#[test]
fn unknown_and_repeated_members_are_refused() {
    let unknown = "is unknown here; known are: `user_id` or `items`";
    assert_eq!(fault(r#"{"items": [], "is_admin": true}"#), at("#/is_admin", unknown));
    let (place, _) = fault(&format!(r#"{{"items": [], "{}": 1}}"#, "x/\\n".repeat(1_000)));
    assert!(place.len() < 500, "{place}");
    assert_eq!(fault(r#"{"items": [], "items": []}"#).1, "has more than one `items`");
}

#[test]
fn no_value_of_a_body_is_repeated() {
    let bodies = [
        r#"{"email": "hunter2", "password": ["hunter2"]}"#,
        r#"{"email": "a", "password": {"hunter2": "hunter2"}}"#,
        r#"{"email": {"password": "hunter2"}, "password": "hunter2"}"#,
        r#"{"email": "a", "password": "hunter2", "password": "hunter2"}"#,
        r#"{"email": "a", "password": "hunter2", "x": "hunter2"}"#,
        r#"{"email": "a", "password": "hunter2"#,
        r#"{"email": "a", "password": "hunter2"} hunter2"#,
        r#"{"password": "hunter2"}"#,
        r#""hunter2, expected hunter2""#,
        r#"["hunter2", "hunter2", "hunter2"]"#,
    ];
    for body in bodies {
        let (_, problem) = refused::<Login>(&request(body));
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
    for quantity in ["\"hunter2\"", "\"x, expected hunter2\"", "\"` hunter2\""] {
        let (_, problem) = order(&format!(r#"{{"items": [{{"quantity": {quantity}}}]}}"#));
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}
