//! Receives requests from Lambda.

use std::convert::Infallible;

use http::header::HOST;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, Request, Service, service_fn};

use crate::Response;

/// Receives requests from Lambda, one at a time, until the process ends.
///
/// # Errors
///
/// If Lambda's runtime API can't be reached.
pub async fn run<'a, Answer>(handler: impl Fn(Request) -> Answer + Send + 'a) -> Result<(), Error>
where
    Answer: Future<Output = Response> + Send + 'a,
{
    let mut adapter = Adapter::from(service_fn(|request| infallible(handler(request))));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<LambdaRequest>| {
        let LambdaEvent { payload, context } = event;
        adapter.call(LambdaEvent::new(sanitize(payload), context))
    }))
    .await
}

async fn infallible(answer: impl Future<Output = Response>) -> Result<Response, Infallible> {
    Ok(answer.await)
}

/// The longest path and the longest query that are passed on, in bytes. API Gateway accepts 10 KiB
/// of request line and headers.
const TARGET_LENGTH_MAX: usize = 16 * 1024;

/// Removes or replaces the parts with which `lambda_http` 1.3 panics: it builds a URI from the
/// `Host` header, the path and the query, and unwraps the result. No function reads the host.
fn sanitize(request: LambdaRequest) -> LambdaRequest {
    match request {
        LambdaRequest::ApiGatewayV2(request) => LambdaRequest::ApiGatewayV2(sanitized(request)),
        other => other,
    }
}

fn sanitized(mut request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpRequest {
    request.headers.remove(HOST);
    request.request_context.domain_name = None;
    request.raw_path = request
        .raw_path
        .filter(|path| path.starts_with('/') && path.len() <= TARGET_LENGTH_MAX)
        .or_else(|| Some("/".to_owned()));
    request.raw_query_string = request
        .raw_query_string
        .filter(|query| query.len() <= TARGET_LENGTH_MAX)
        .map(|query| percent_encoded(&query));
    request
}

/// The query with every character encoded that a URI does not allow (RFC 3986, section 3.4).
fn percent_encoded(query: &str) -> String {
    let mut encoded = String::with_capacity(query.len());
    for byte in query.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use lambda_http::RequestExt;
    use serde_json::json;

    use super::*;

    fn received(path: &str, query: &str, host: &str) -> Request {
        let event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"host": host},
            "requestContext": {
                "stage": "$default",
                "domainName": host,
                "timeEpoch": 0,
                "http": {"method": "GET", "path": path},
            },
            "isBase64Encoded": false,
        });
        Request::from(sanitize(serde_json::from_value(event).unwrap()))
    }

    #[test]
    fn no_request_makes_the_library_panic() {
        let long = "x".repeat(100_000);
        for text in
            ["", "h h", "h:99999", "[", "999.999.999.999", "xn--\u{80}", "\"<>^`{|}\\", &long]
        {
            assert_eq!(received("/v1", "", text).raw_http_path(), "/v1", "{text}");
            assert_eq!(received("/v1", text, "h").raw_http_path(), "/v1", "{text}");
            received(text, "", "h");
            received(&format!("/{text}"), "", "h");
            received(&format!("//{text}"), "", "h");
        }
    }

    #[test]
    fn a_query_keeps_its_meaning() {
        let request = received("/v1", "limit=5&cursor=a%2Bb+\"é\"", "h");
        let parameters = request.query_string_parameters();
        assert_eq!(parameters.first("limit"), Some("5"));
        assert_eq!(parameters.first("cursor"), Some("a+b \"é\""));
    }
}
