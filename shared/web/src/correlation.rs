//! The identifiers of a request, and the time in which it must be answered.

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::Clock;
use http::HeaderMap;
use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Request, RequestExt};
use platform::deadline::{LAMBDA_TIME_MAX, time_until};

/// How long a request may take outside Lambda, which sets no deadline there.
pub const TIME_WITHOUT_LAMBDA: Duration = Duration::from_secs(10);

/// Facts about a request that are not part of it.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// API Gateway's ID of the request. Its client sees it as a problem's `instance`.
    pub request_id: String,
    /// The route that API Gateway chose, such as `POST /v1/orders`. If it chose none, this is the
    /// method and the path: for requests that match no route, and for all requests under `cargo
    /// lambda watch`, which passes no route.
    pub route: String,
    pub traceparent: Option<Traceparent>,
    pub deadline: Deadline,
}

impl RequestContext {
    pub fn new(request: &Request, clock: &impl Clock) -> Self {
        let (route, request_id) = match request.request_context_ref() {
            Some(GatewayContext::ApiGatewayV2(context)) => {
                (context.route_key.clone(), context.request_id.clone())
            }
            _ => (None, None),
        };
        let invocation_id = || request.lambda_context_ref().map(|lambda| lambda.request_id.clone());
        Self {
            request_id: request_id.or_else(invocation_id).unwrap_or_default(),
            route: route
                .filter(|route| route != NO_ROUTE)
                .unwrap_or_else(|| method_and_path(request)),
            traceparent: Traceparent::from_headers(request.headers()),
            deadline: time_left(request, clock),
        }
    }

    /// The request's `traceparent` as text, as an event keeps it.
    pub fn trace_context(&self) -> Option<String> {
        self.traceparent.as_ref().map(|traceparent| traceparent.as_str().to_owned())
    }
}

/// The route that API Gateway reports when it chose none.
const NO_ROUTE: &str = "$default";

/// The longest path that is used instead of a route, in bytes. Our paths are shorter, and clients
/// would otherwise write text of any length into the logs.
const PATH_LENGTH_MAX: usize = 100;

fn method_and_path(request: &Request) -> String {
    let path = request.raw_http_path();
    if path.len() > PATH_LENGTH_MAX {
        return NO_ROUTE.to_owned();
    }
    format!("{} {path}", request.method())
}

/// When a request must be answered: 300 ms before Lambda stops the function. Lambda states that
/// moment in wall-clock time; from here on, the monotonic clock counts.
pub fn time_left(request: &Request, clock: &impl Clock) -> Deadline {
    let deadline_ms = request.lambda_context_ref().map_or(0, |lambda| lambda.deadline);
    let Some(left) = time_until(deadline_ms, clock.now()) else {
        return Deadline::after(TIME_WITHOUT_LAMBDA);
    };
    // No Lambda runs longer, so this bounds the deadline when a clock is far off.
    Deadline::after(left.min(LAMBDA_TIME_MAX).saturating_sub(ANSWER_RESERVE))
}

/// The part of Lambda's time that is reserved for sending the answer.
const ANSWER_RESERVE: Duration = Duration::from_millis(300);

/// A `traceparent` of W3C Trace Context, version 00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traceparent(String);

impl Traceparent {
    /// The request's `traceparent`, if it has exactly one that is well formed. A malformed one is
    /// ignored (section 3.2.1 of the recommendation).
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        Self::parse(value.to_str().ok()?)
    }

    /// Reads a `traceparent`; `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let well_formed = version == "00"
            && is_hex(trace, 32)
            && is_hex(parent, 16)
            && is_hex(flags, 2)
            && parts.next().is_none()
            && trace.bytes().any(|b| b != b'0')
            && parent.bytes().any(|b| b != b'0');
        well_formed.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use domain::timestamp::Timestamp;
    use lambda_http::{Body, Context};

    use super::*;

    struct At(i64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    fn received(route: &str, path: &str) -> Request {
        let event = serde_json::json!({
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "requestContext": {
                "routeKey": route,
                "stage": "$default",
                "timeEpoch": 0,
                "http": {"method": "POST", "path": path},
            },
            "isBase64Encoded": false,
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn without_a_chosen_route_the_method_and_path_are_the_route() {
        let route = |route, path| RequestContext::new(&received(route, path), &At(0)).route;
        let template = "GET /v1/orders/{order_id}";
        assert_eq!(route(template, "/v1/orders/1"), template);
        assert_eq!(route("$default", "/v1/users/login"), "POST /v1/users/login");
        assert_eq!(route("$default", &"/x".repeat(51)), "$default");
    }

    fn due(deadline_ms: u64) -> Request {
        let mut lambda = Context::default();
        lambda.deadline = deadline_ms;
        Request::new(Body::Empty).with_lambda_context(lambda)
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_left_is_what_lambda_says() {
        let left = |request: &Request, now| time_left(request, &At(now)).remaining();
        let at = 1_800_000_010_000;
        assert_eq!(left(&due(at), 1_800_000_004_000), Duration::from_millis(5_700));
        assert_eq!(left(&due(at), 1_800_000_010_000), Duration::ZERO);
        assert_eq!(left(&due(at), 1_800_000_099_000), Duration::ZERO);
        assert_eq!(left(&due(u64::MAX), -1), LAMBDA_TIME_MAX - ANSWER_RESERVE);
        // The deadline that `cargo lambda watch` sends.
        assert_eq!(left(&due(600_000), 1_800_000_000_000), TIME_WITHOUT_LAMBDA);
        assert_eq!(left(&Request::new(Body::Empty), 4_000), TIME_WITHOUT_LAMBDA);
    }

    #[test]
    fn a_traceparent_is_read_if_it_is_well_formed() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(Traceparent::parse(good).unwrap().as_str(), good);
        let bad = [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033\r\n-01",
        ];
        for text in bad {
            assert_eq!(Traceparent::parse(text), None, "{text:?}");
        }
    }
}
