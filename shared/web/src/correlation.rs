//! What a request is known by, and how long there is to answer it.

use std::time::Duration;

use application::deadline::{Deadline, time_until};
use application::ports::{Clock, Source};
use http::HeaderMap;
use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Request, RequestExt};

/// How long a request may take when nobody says: outside Lambda.
pub const TIME_WITHOUT_LAMBDA: Duration = Duration::from_secs(10);

/// What a handler knows of its request besides the request itself.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// API Gateway's id of the request, which its client is told as a problem's `instance`.
    pub request_id: String,
    /// The route that API Gateway chose, such as `POST /v1/orders`. Where none was chosen, method
    /// and path take its place: for what no route takes, and for everything under `cargo lambda
    /// watch`, which tells functions no route.
    pub route: String,
    /// Where the request came from: the address that API Gateway saw. No header counts, as clients
    /// write those themselves (`X-Forwarded-For`, `Forwarded`).
    pub source: Source,
    /// The trace that the request belongs to.
    pub traceparent: Option<Traceparent>,
    /// By when the request must be answered.
    pub deadline: Deadline,
}

impl RequestContext {
    /// What is known of a request.
    pub fn of(request: &Request, clock: &impl Clock) -> Self {
        let (route, request_id, source) = match request.request_context_ref() {
            Some(GatewayContext::ApiGatewayV2(context)) => (
                context.route_key.clone(),
                context.request_id.clone(),
                context.http.source_ip.as_deref().and_then(|text| text.parse().ok()),
            ),
            _ => (None, None, None),
        };
        let invocation_id = || request.lambda_context_ref().map(|lambda| lambda.request_id.clone());
        Self {
            request_id: request_id.or_else(invocation_id).unwrap_or_default(),
            route: route.filter(|route| route != NO_ROUTE).unwrap_or_else(|| asked(request)),
            source: source.map_or(Source::UNKNOWN, Source::of),
            traceparent: Traceparent::of(request.headers()),
            deadline: time_left(request, clock),
        }
    }
}

/// What is told as a route where none was chosen.
const NO_ROUTE: &str = "$default";

/// The longest path that takes a route's place, in bytes: longer ones are none of ours, and logs
/// keep what clients write there.
const PATH_LENGTH_MAX: usize = 100;

fn asked(request: &Request) -> String {
    let path = request.raw_http_path();
    if path.len() > PATH_LENGTH_MAX {
        return NO_ROUTE.to_owned();
    }
    format!("{} {path}", request.method())
}

/// By when a request must be answered: a little before Lambda stops the function. Lambda tells that
/// by the wall clock, and what counts from here on is the monotonic one.
pub fn time_left(request: &Request, clock: &impl Clock) -> Deadline {
    let deadline_ms = request.lambda_context_ref().map_or(0, |lambda| lambda.deadline);
    let Some(left) = time_until(deadline_ms, clock.now()) else {
        return Deadline::after(TIME_WITHOUT_LAMBDA);
    };
    // No Lambda runs for longer, so a clock that is far off doesn't add to eternity.
    Deadline::after(left.min(LAMBDA_TIME_MAX).saturating_sub(ANSWER_RESERVE))
}

/// What is kept of Lambda's time for the answer's own way.
const ANSWER_RESERVE: Duration = Duration::from_millis(300);

const LAMBDA_TIME_MAX: Duration = Duration::from_secs(900);

/// A `traceparent` of W3C Trace Context, version 00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traceparent(String);

impl Traceparent {
    /// The request's, if there is one and it is well formed; a bad one counts as none (section
    /// 3.2.1 of the recommendation).
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        Self::parse(value.to_str().ok()?)
    }

    /// Reads one, or `None`.
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

    /// The header's value.
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
    fn where_no_route_was_chosen_method_and_path_take_its_place() {
        let route = |route, path| RequestContext::of(&received(route, path), &At(0)).route;
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
        // What `cargo lambda watch` tells.
        assert_eq!(left(&due(600_000), 1_800_000_000_000), TIME_WITHOUT_LAMBDA);
        assert_eq!(left(&Request::new(Body::Empty), 4_000), TIME_WITHOUT_LAMBDA);
    }

    #[test]
    fn a_traceparent_is_taken_when_it_is_well_formed() {
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
