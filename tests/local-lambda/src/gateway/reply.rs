//! From a function's answer to an HTTP response, by the rules of payload format 2.0.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// The documented form. Format 2.0 ignores other fields, such as `multiValueHeaders`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The response for a function's payload. A payload that is not valid is 500, as on AWS.
pub(super) fn translate(payload: &[u8], request_id: &str) -> Response {
    match build(payload) {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(request_id, %error, "a function's answer is not a response");
            own_answer(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// An answer of API Gateway itself.
pub(super) fn own_answer(status: StatusCode, message: &str) -> Response {
    let mut response = Response::new(Body::from(json!({"message": message}).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn build(payload: &[u8]) -> anyhow::Result<Response> {
    let value: Value = serde_json::from_slice(payload)?;
    // "If your Lambda function returns valid JSON and doesn't return a statusCode", API Gateway
    // uses it as the body of a 200.
    if value.get("statusCode").is_none() {
        let mut response = own_answer(StatusCode::OK, "");
        *response.body_mut() = Body::from(payload.to_vec());
        return Ok(response);
    }
    let answer: Answer = serde_json::from_value(value)?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { STANDARD.decode(body)? } else { body.into_bytes() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code)?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    for cookie in answer.cookies {
        headers.append(SET_COOKIE, HeaderValue::try_from(cookie)?);
    }
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::translate;

    async fn body(response: axum::response::Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
    }

    fn translated(payload: &Value) -> axum::response::Response {
        translate(payload.to_string().as_bytes(), "request")
    }

    #[tokio::test]
    async fn status_headers_cookies_and_body_are_copied() {
        let response = translated(&json!({
            "statusCode": 201,
            "headers": {"Location": "/v1/pictures/1", "Content-Type": "application/json"},
            "cookies": ["a=1", "b=2"],
            "body": "{}",
        }));
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["location"], "/v1/pictures/1");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(body(response).await, b"{}");
    }

    #[tokio::test]
    async fn an_encoded_body_is_decoded() {
        let response =
            translated(&json!({"statusCode": 200, "body": "/wA=", "isBase64Encoded": true}));
        assert_eq!(body(response).await, [0xff, 0x00]);
    }

    #[tokio::test]
    async fn json_without_a_status_is_the_body_of_a_200() {
        let response = translated(&json!({"hello": 1}));
        assert_eq!(response.status(), 200);
        assert_eq!(body(response).await, b"{\"hello\":1}");
    }

    #[tokio::test]
    async fn an_invalid_answer_is_an_internal_server_error() {
        let nonsense = [json!({"statusCode": "x"}), json!({"statusCode": 9999})];
        for payload in &nonsense {
            let response = translated(payload);
            assert_eq!(response.status(), 500);
            assert_eq!(body(response).await, b"{\"message\":\"Internal Server Error\"}");
        }
        assert_eq!(translate(b"not json", "request").status(), 500);
    }
}
