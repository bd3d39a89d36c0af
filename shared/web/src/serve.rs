//! Runs a handler for one request.

use std::panic::AssertUnwindSafe;

use application::ports::Clock;
use futures::FutureExt;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};
use lambda_http::{Body, Request};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::problem::RETRY_AFTER_DEFAULT;
use crate::{Problem, ProblemKind, RequestContext, Response};

/// Answers a request with a handler, whatever happens in it, and in time: when Lambda ends a
/// request itself, it ends the process too.
///
/// The handler runs in a span `request` with `request_id` and `route`, in which it may record
/// `user_id`, `order_id`, `event_id` and `transaction_id`. A problem becomes its response, a panic
/// becomes a 500, and one log line has the method, the status, the time and the problem, if any,
/// with all its causes. The metric `ServerErrors` counts answers of 5xx.
pub async fn serve(
    clock: &impl Clock,
    request: Request,
    handler: impl AsyncFnOnce(RequestContext, Request) -> Result<Response, Problem>,
) -> Response {
    let started = Instant::now();
    let mut context = RequestContext::new(&request, clock);
    let request_id = context.request_id.clone();
    let method = request.method().clone();
    let is_head = method == Method::HEAD;
    let mut request = request;
    if is_head {
        // Like GET, but without the answer's content (RFC 9110, section 9.3.2).
        *request.method_mut() = Method::GET;
        context.route = context.route.replacen("HEAD", "GET", 1);
    }
    let span = info_span!(
        "request",
        request_id,
        route = context.route,
        traceparent = context.traceparent.as_ref().map(|traceparent| traceparent.as_str()),
        user_id = Empty,
        order_id = Empty,
        event_id = Empty,
        transaction_id = Empty,
    );
    async move {
        // A panic leaves the handler's state behind. It holds clients and caches, which stay
        // consistent. Lambda's own answer to a panic would not be a problem document.
        let time = context.deadline.remaining();
        let answering = AssertUnwindSafe(handler(context, request)).catch_unwind();
        let answer = match tokio::time::timeout(time, answering).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => Err(Problem::internal("the handler panicked")),
            Err(_elapsed) => Err(took_too_long()),
        };
        let duration_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        log(&method, &answer, duration_ms);
        let response = answer.unwrap_or_else(|problem| problem.into_response(&request_id));
        count(&response);
        let mut response = finish(response);
        if is_head {
            *response.body_mut() = Body::Empty;
        }
        response
    }
    .instrument(span)
    .await
}

fn took_too_long() -> Problem {
    Problem::unavailable(RETRY_AFTER_DEFAULT)
        .with_detail(
            "The request took too long. It is not known whether it took effect. Try again, with \
             the same Idempotency-Key if you sent one.",
        )
        .caused_by("the handler did not answer in time")
}

/// Adds the headers that every answer has: no cache keeps an answer unless its handler allows it,
/// and no browser guesses another content type.
fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Counts answers of 5xx for an alarm: a client cannot correct their cause.
fn count(response: &Response) {
    if response.status().is_server_error() {
        metrics::counter!("ServerErrors").increment(1);
    }
}

fn log(method: &Method, answer: &Result<Response, Problem>, duration_ms: f64) {
    let method = method.as_str();
    match answer {
        Ok(response) => {
            let status = response.status().as_u16();
            tracing::info!(method, status, duration_ms, "request answered");
        }
        Err(problem) => log_problem(method, problem, duration_ms),
    }
}

fn log_problem(method: &str, problem: &Problem, duration_ms: f64) {
    // `tracing` fixes the level where a line is written, so each level needs its own call.
    macro_rules! log {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                method,
                status = problem.kind().status().as_u16(),
                duration_ms,
                problem = problem.kind().slug(),
                error = problem.cause(),
                $message
            )
        };
    }
    match problem.kind() {
        ProblemKind::Internal => log!(error, "request failed"),
        ProblemKind::Unavailable => log!(warn, "request failed"),
        _ => log!(info, "request refused"),
    }
}

#[cfg(test)]
mod tests {
    use application::outcome::{Failure, FailureClass};
    use domain::timestamp::Timestamp;
    use http::StatusCode;
    use lambda_http::{Context, RequestExt};
    use serde_json::Value;

    use super::*;
    use crate::respond;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000)
        }
    }

    fn request() -> Request {
        let mut lambda = Context::default();
        lambda.request_id = "r1".to_owned();
        Request::new(Body::Empty).with_lambda_context(lambda)
    }

    async fn answered(
        handler: impl AsyncFnOnce(RequestContext, Request) -> Result<Response, Problem>,
    ) -> (Response, Value) {
        let response = serve(&Fixed, request(), handler).await;
        let body = serde_json::from_slice(response.body()).unwrap();
        (response, body)
    }

    #[tokio::test]
    async fn an_answer_is_sent_unchanged_and_not_cached() {
        let (response, body) =
            answered(async |context, _| respond::json(StatusCode::OK, &context.request_id)).await;
        assert_eq!((response.status(), body), (StatusCode::OK, "r1".into()));
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }

    #[tokio::test]
    async fn a_handler_may_allow_caching() {
        let (response, _) = answered(async |_, _| {
            let answer = respond::json(StatusCode::OK, &1)?;
            respond::with_header(answer, CACHE_CONTROL, "max-age=60")
        })
        .await;
        assert_eq!(response.headers()[CACHE_CONTROL], "max-age=60");
    }

    #[tokio::test]
    async fn a_problem_carries_the_request_id_and_not_its_cause() {
        let (response, body) = answered(async |_, _| {
            let failed: Result<Response, Failure> =
                Err(Failure::new(FailureClass::Throttled, "SDK words"));
            Ok(failed?)
        })
        .await;
        assert_eq!(response.status(), 503);
        assert_eq!(body["instance"], "r1");
        assert!(!body.to_string().contains("SDK"));
    }

    #[tokio::test]
    async fn head_is_answered_as_get_without_content() {
        let mut request = request();
        *request.method_mut() = Method::HEAD;
        let handler = async |context: RequestContext, request: Request| {
            assert_eq!((request.method(), context.route.as_str()), (&Method::GET, "GET "));
            respond::json(StatusCode::OK, &1)
        };
        let response = serve(&Fixed, request, handler).await;
        assert_eq!((response.status(), response.body().is_empty()), (StatusCode::OK, true));
        assert_eq!(response.headers()["content-type"], "application/json");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_problem() {
        let (response, body) = answered(async |_, _| panic!("out of luck")).await;
        assert_eq!(response.status(), 500);
        assert!(!body.to_string().contains("luck"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_too_long_is_a_503_in_time() {
        let started = tokio::time::Instant::now();
        let (response, body) = answered(async |_, _| std::future::pending().await).await;
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("retry-after"));
        assert!(body["detail"].as_str().unwrap().contains("not known"), "{body}");
        assert_eq!(started.elapsed(), crate::correlation::TIME_WITHOUT_LAMBDA);
    }

    #[test]
    fn the_future_of_an_answer_can_be_sent_to_another_thread() {
        fn assert_send(_: impl Send) {}
        let user = String::from("borrowed");
        let user = &user;
        assert_send(serve(&Fixed, request(), async |_, _| {
            tokio::task::yield_now().await;
            respond::json(StatusCode::OK, user)
        }));
    }
}
