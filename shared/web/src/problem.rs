//! Failures of requests as `application/problem+json` (RFC 9457).

mod kind;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use application::outcome::{Cause, Failure, FailureClass};
use contracts::problem::{Fault, MEDIA_TYPE};
use domain::identity::OrderId;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method};
use lambda_http::Body;

use crate::{Pointer, Response};
pub use kind::ProblemKind;

/// The `Retry-After` when nothing better is known. An unavailable table or broker needs some
/// seconds, and clients are prepared to wait longer.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(2);

/// Why a request failed: a text for its client, and a cause that only the log contains.
///
/// Handlers return it as their error; [`crate::serve()`] makes it a response and logs it.
pub struct Problem(Box<Parts>);

struct Parts {
    kind: ProblemKind,
    detail: String,
    faults: Vec<Fault>,
    order_id: Option<OrderId>,
    headers: HeaderMap,
    cause: Option<Cause>,
}

impl Problem {
    /// A problem of a kind. `detail` says what is wrong with this request and what to change. It
    /// must not contain internals or values of the body.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        if kind == ProblemKind::Unauthorized {
            // RFC 9110, section 15.5.2, requires a challenge; RFC 6750, section 3, defines it. It
            // is the same for every invalid token, so that forgers do not learn what is wrong with
            // theirs.
            let challenge = HeaderValue::from_static(r#"Bearer realm="order-service""#);
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let detail = detail.into();
        let faults = Vec::new();
        Self(Box::new(Parts { kind, detail, faults, order_id: None, headers, cause: None }))
    }

    /// 401: the request is not authenticated.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unauthorized, detail)
    }

    /// 403: the user is known but may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    /// 404: the resource does not exist, or the user may not know of it.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// 405, with the methods that the path allows (RFC 9110, section 15.5.6).
    pub fn method_not_allowed(allowed: &[Method]) -> Self {
        let names = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let detail = format!("This path allows {names}.");
        Self::new(ProblemKind::MethodNotAllowed, detail).with_header(ALLOW, &names)
    }

    /// 409: the request conflicts with the stored state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    /// 422: the body is JSON, but breaks a rule. [`Self::with_fault`] adds the place.
    pub fn validation(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Validation, detail)
    }

    /// 429, with `Retry-After`.
    pub fn too_many_requests(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(ProblemKind::TooManyRequests, detail).with_retry_after(retry_after)
    }

    /// 503, with `Retry-After`: the same request may succeed later.
    pub fn unavailable(retry_after: Duration) -> Self {
        let detail = "The service can't answer at the moment. Try again later.";
        Self::new(ProblemKind::Unavailable, detail).with_retry_after(retry_after)
    }

    /// The problem for a port's failure: 503 if trying again may help, otherwise 500.
    pub fn failed(class: FailureClass, cause: impl Into<Cause>) -> Self {
        match class {
            FailureClass::Unavailable | FailureClass::Throttled | FailureClass::Conflict => {
                Self::unavailable(RETRY_AFTER_DEFAULT).caused_by(cause)
            }
            FailureClass::Permanent => Self::internal(cause),
        }
    }

    /// 500: a fault of ours. The client does not see the cause.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        let detail = "The service failed. Report the `instance` of this problem to its operators.";
        Self::new(ProblemKind::Internal, detail).caused_by(cause)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    #[must_use]
    pub fn with_fault(mut self, pointer: Pointer, detail: impl Into<String>) -> Self {
        self.0.faults.push(Fault { pointer: pointer.to_string(), detail: detail.into() });
        self
    }

    /// Adds `Retry-After`, in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, &seconds.to_string())
    }

    /// Adds the order that this request may or may not have created.
    #[must_use]
    pub fn with_order_id(mut self, order_id: OrderId) -> Self {
        self.0.order_id = Some(order_id);
        self
    }

    /// Adds the cause, which only the log contains.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause.as_ref() as &(dyn Error + 'static))
    }

    /// The document for the client; the request's ID becomes `instance`.
    pub fn to_document(&self, request_id: &str) -> contracts::problem::Problem {
        contracts::problem::Problem {
            problem_type: self.0.kind.urn(),
            title: self.0.kind.title().to_owned(),
            status: self.0.kind.status().as_u16(),
            detail: self.0.detail.clone(),
            instance: request_id.to_owned(),
            errors: self.0.faults.clone(),
            order_id: self.0.order_id.as_ref().map(ToString::to_string),
        }
    }

    /// The response for the client; the request's ID becomes `instance`.
    pub fn into_response(self, request_id: &str) -> Response {
        // A document of strings and numbers can always be written. If it could not, the status
        // would still be right.
        let document = serde_json::to_string(&self.to_document(request_id)).unwrap_or_default();
        let mut response = Response::new(Body::from(document));
        *response.status_mut() = self.0.kind.status();
        *response.headers_mut() = self.0.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }

    fn with_header(mut self, name: http::HeaderName, value: &str) -> Self {
        // `value` is digits or names of methods, which a header can hold.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::failed(failure.class, failure)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("faults", &self.0.faults)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answered(problem: Problem) -> (Response, Value) {
        let response = problem.into_response("r1");
        let body = serde_json::from_slice(response.body()).unwrap();
        (response, body)
    }

    #[test]
    fn a_problem_document_has_the_faults_and_never_the_cause() {
        let problem = Problem::validation("The order breaks a rule.")
            .with_fault(Pointer::root().member("items").element(0), "is wrong")
            .caused_by("arn:aws:dynamodb:secret");
        let (response, body) = answered(problem);
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            body,
            json!({
                "type": "urn:order-service:problem:validation",
                "title": "The body breaks a rule",
                "status": 422,
                "detail": "The order breaks a rule.",
                "instance": "r1",
                "errors": [{"pointer": "#/items/0", "detail": "is wrong"}],
            })
        );
    }

    #[test]
    fn a_fault_of_ours_names_its_request_alone() {
        let (response, body) = answered(Problem::internal("arn:aws:dynamodb:secret"));
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let detail = "The service failed. Report the `instance` of this problem to its operators.";
        assert_eq!(
            body,
            json!({
                "type": "urn:order-service:problem:internal",
                "title": "The service failed",
                "status": 500,
                "detail": detail,
                "instance": "r1",
            })
        );
    }

    #[test]
    fn each_status_has_the_headers_that_it_requires() {
        let (unauthorized, _) = answered(Problem::unauthorized("Who are you?"));
        assert_eq!(unauthorized.headers()[WWW_AUTHENTICATE], r#"Bearer realm="order-service""#);
        let (not_allowed, _) =
            answered(Problem::method_not_allowed(&[Method::GET, Method::DELETE]));
        assert_eq!(not_allowed.headers()[ALLOW], "GET, DELETE");
        let (unavailable, _) = answered(Problem::unavailable(Duration::from_millis(1_001)));
        assert_eq!(unavailable.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn an_order_with_an_unknown_outcome_is_named() {
        let order_id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let problem = Problem::unavailable(RETRY_AFTER_DEFAULT).with_order_id(order_id);
        assert_eq!(answered(problem).1["order_id"], order_id.to_string());
    }

    #[test]
    fn a_failed_port_is_503_if_trying_again_may_help() {
        let status = |class| Problem::from(Failure::new(class, "x")).kind().status().as_u16();
        assert_eq!(status(FailureClass::Unavailable), 503);
        assert_eq!(status(FailureClass::Throttled), 503);
        assert_eq!(status(FailureClass::Conflict), 503);
        assert_eq!(status(FailureClass::Permanent), 500);
    }
}
