//! From an HTTP request to an event in payload format 2.0.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::routes::{Found, percent_decode};
use crate::host::ACCOUNT_ID;

pub(super) struct Call<'a> {
    pub(super) parts: &'a http::request::Parts,
    pub(super) body: &'a [u8],
    pub(super) source_ip: IpAddr,
    pub(super) request_id: String,
    /// Used for a request without a trace header.
    pub(super) trace_root: String,
    /// Since the Unix epoch.
    pub(super) now: Duration,
}

/// The event for `call` on the route `found`. Fields without a value are left out, as AWS does.
pub(super) fn translate(call: &Call<'_>, found: &Found<'_>) -> Value {
    let parts = call.parts;
    let raw_query = parts.uri.query().unwrap_or_default();
    let host = text(parts.headers.get(HOST));
    let mut event = Map::new();
    let mut put = |key: &str, value: Value| event.insert(key.to_owned(), value);
    put("version", "2.0".into());
    put("routeKey", found.route_key.clone().into());
    put("rawPath", percent_decode(parts.uri.path()).into());
    put("rawQueryString", raw_query.into());
    put("headers", json!(headers(call, &host)));
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        put("cookies", json!(cookies));
    }
    let query = query(raw_query);
    if !query.is_empty() {
        put("queryStringParameters", json!(query));
    }
    if !found.parameters.is_empty() {
        let parameters = found.parameters.iter().cloned();
        put("pathParameters", json!(BTreeMap::from_iter(parameters)));
    }
    put(
        "requestContext",
        json!({
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "domainName": host.split(':').next(),
            "domainPrefix": host.split(['.', ':']).next(),
            "http": {
                "method": parts.method.as_str(),
                "path": percent_decode(parts.uri.path()),
                "protocol": format!("{:?}", parts.version),
                "sourceIp": call.source_ip.to_string(),
                "userAgent": text(parts.headers.get(USER_AGENT)),
            },
            "requestId": call.request_id,
            "routeKey": found.route_key,
            "stage": "$default",
            "time": common_log_time(call.now),
            "timeEpoch": u64::try_from(call.now.as_millis()).unwrap_or(u64::MAX),
        }),
    );
    let (body, is_base64) = body(call.body);
    if !call.body.is_empty() {
        put("body", body.into());
    }
    put("isBase64Encoded", is_base64.into());
    Value::Object(event)
}

/// The headers with lower-case names and repeated ones joined by commas, without cookies, and with
/// those that API Gateway adds or corrects.
fn headers(call: &Call<'_>, host: &str) -> BTreeMap<String, String> {
    let given = &call.parts.headers;
    let mut headers: BTreeMap<_, _> = given
        .keys()
        .filter(|name| **name != COOKIE && **name != TRANSFER_ENCODING)
        .map(|name| {
            let values: Vec<_> = given.get_all(name).iter().map(|one| text(Some(one))).collect();
            (name.as_str().to_owned(), values.join(","))
        })
        .collect();
    let mut put = |name: &str, value: String| headers.insert(name.to_owned(), value);
    put("content-length", call.body.len().to_string());
    // The caller's value is kept, and the real address is appended.
    let forwarded_for =
        given.get("x-forwarded-for").map(|value| format!("{}, ", text(Some(value))));
    put("x-forwarded-for", format!("{}{}", forwarded_for.unwrap_or_default(), call.source_ip));
    put("x-forwarded-port", host.rsplit_once(':').map_or("80", |(_, port)| port).to_owned());
    put("x-forwarded-proto", "http".to_owned());
    headers.entry("x-amzn-trace-id".to_owned()).or_insert_with(|| call.trace_root.clone());
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| text(Some(value)).split(';').map(str::to_owned).collect::<Vec<_>>())
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// The query's parameters, decoded, repeated ones joined by commas.
fn query(raw: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        parameters
            .entry(decode(name))
            .and_modify(|earlier| {
                earlier.push(',');
                earlier.push_str(&decode(value));
            })
            .or_insert_with(|| decode(value));
    }
    parameters
}

/// Text if the bytes are UTF-8, otherwise base64; the flag says which.
fn body(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(bytes), true),
    }
}

fn text(value: Option<&HeaderValue>) -> String {
    value.map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `12/Mar/2020:19:03:58 +0000`.
fn common_log_time(now: Duration) -> String {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month: String = time.month().to_string().chars().take(3).collect();
    let (hour, minute, second) = time.to_hms();
    format!("{:02}/{month}/{}:{hour:02}:{minute:02}:{second:02} +0000", time.day(), time.year())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Call, Found, translate};

    fn event(request: http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let call = Call {
            parts: &parts,
            body,
            source_ip: Ipv4Addr::LOCALHOST.into(),
            request_id: "request".to_owned(),
            trace_root: "Root=1".to_owned(),
            now: Duration::from_millis(1_584_039_838_123),
        };
        let found = Found {
            function: "get-picture",
            route_key: "GET /v1/pictures/{picture_id}".to_owned(),
            parameters: vec![("picture_id", "a b".to_owned())],
        };
        translate(&call, &found)
    }

    #[test]
    fn a_request_becomes_an_event_of_version_2() {
        let request = http::Request::get("/v1/pictures/a%20b?x=1&x=2&y=%2B+z")
            .header("Host", "localhost:8000")
            .header("User-Agent", "curl")
            .header("X-Twice", "one")
            .header("X-Twice", "two")
            .header("X-Forwarded-For", "192.0.2.7")
            .header("Cookie", "a=1; b=2");
        let event = event(request, b"");
        assert_eq!(event["rawPath"], "/v1/pictures/a b");
        assert_eq!(event["rawQueryString"], "x=1&x=2&y=%2B+z");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "+ z"}));
        assert_eq!(event["pathParameters"], json!({"picture_id": "a b"}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(
            event["headers"],
            json!({
                "host": "localhost:8000", "user-agent": "curl", "x-twice": "one,two",
                "content-length": "0", "x-amzn-trace-id": "Root=1",
                "x-forwarded-for": "192.0.2.7, 127.0.0.1", "x-forwarded-port": "8000",
                "x-forwarded-proto": "http",
            })
        );
        let context = &event["requestContext"];
        assert_eq!(context["time"], "12/Mar/2020:19:03:58 +0000");
        assert_eq!(context["timeEpoch"], 1_584_039_838_123_u64);
        assert_eq!(context["stage"], "$default");
        assert_eq!(
            context["http"],
            json!({
                "method": "GET", "path": "/v1/pictures/a b", "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "curl",
            })
        );
        assert_eq!(event.get("body"), None);
        assert_eq!(event["isBase64Encoded"], false);
    }

    #[test]
    fn a_body_that_is_not_text_is_encoded() {
        let event = event(http::Request::post("/"), &[0xff, 0x00]);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
    }

    #[test]
    fn a_body_of_text_stays_as_it_is() {
        let event = event(http::Request::post("/"), "{\"é\":1}".as_bytes());
        let expected = (&json!("{\"é\":1}"), &json!(false));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), expected);
    }
}
