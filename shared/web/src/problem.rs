//! What goes wrong, told as `application/problem+json` (RFC 9457).

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

/// After how long a client is asked to try again when nothing better is known: a table or a broker
/// that is away needs some seconds, and a client's patience is longer.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(2);

/// What went wrong with a request: what its client is told, and a cause that only the log is told.
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
    /// A problem of a kind. `detail` says what is wrong with this request and what to change, to
    /// its client: no word of the inside, and no value of the body.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        if kind == ProblemKind::Unauthorized {
            // RFC 9110, section 15.5.2, asks for a challenge; RFC 6750, section 3, says which. It
            // is the same for every bad token, so that no one learns what is wrong with his
            // forgery.
            let challenge = HeaderValue::from_static(r#"Bearer realm="order-service""#);
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let detail = detail.into();
        let faults = Vec::new();
        Self(Box::new(Parts { kind, detail, faults, order_id: None, headers, cause: None }))
    }

    /// 401: who asks is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unauthorized, detail)
    }

    /// 403: who asks is known, and may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    /// 404: there is no such thing, or none that the user may know of.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// 405, with the methods that the path has (RFC 9110, section 15.5.6).
    pub fn method_not_allowed(allowed: &[Method]) -> Self {
        let names = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let detail = format!("This path takes {names}.");
        Self::new(ProblemKind::MethodNotAllowed, detail).with_header(ALLOW, &names)
    }

    /// 409: it doesn't go together with what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    /// 422: the body is JSON, but breaks a rule. [`Self::with_fault`] says where.
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

    /// What a port's failure comes to: 503 where trying again may help, else 500.
    pub fn failed(class: FailureClass, cause: impl Into<Cause>) -> Self {
        match class {
            FailureClass::Unavailable | FailureClass::Throttled | FailureClass::Conflict => {
                Self::unavailable(RETRY_AFTER_DEFAULT).caused_by(cause)
            }
            FailureClass::Permanent => Self::internal(cause),
        }
    }

    /// 500: a fault of ours, which is in the cause and not told.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        let detail = "The service has a fault. Tell its operators the `instance` of this problem.";
        Self::new(ProblemKind::Internal, detail).caused_by(cause)
    }

    /// With another sentence for the client.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// With one more fault of the body.
    #[must_use]
    pub fn with_fault(mut self, pointer: Pointer, detail: impl Into<String>) -> Self {
        self.0.faults.push(Fault { pointer: pointer.to_string(), detail: detail.into() });
        self
    }

    /// With the time after which to try again, in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, &seconds.to_string())
    }

    /// With the order that this request may or may not have created.
    #[must_use]
    pub fn with_order_id(mut self, order_id: OrderId) -> Self {
        self.0.order_id = Some(order_id);
        self
    }

    /// With what caused it, for the log alone.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Its kind.
    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    /// What caused it.
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause.as_ref() as &(dyn Error + 'static))
    }

    /// The document that tells it to the client of a request.
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

    /// The response that tells it to the client of a request.
    pub fn into_response(self, request_id: &str) -> Response {
        // A document of strings and numbers can always be written; were it not so, the status still
        // says what matters.
        let document = serde_json::to_string(&self.to_document(request_id)).unwrap_or_default();
        let mut response = Response::new(Body::from(document));
        *response.status_mut() = self.0.kind.status();
        *response.headers_mut() = self.0.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }

    fn with_header(mut self, name: http::HeaderName, value: &str) -> Self {
        // Only digits and names of methods come here, which a header can hold.
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

    fn told(problem: Problem) -> (Response, Value) {
        let response = problem.into_response("r1");
        let body = serde_json::from_slice(response.body()).unwrap();
        (response, body)
    }

    #[test]
    fn a_problem_is_told_with_its_faults_and_never_with_its_cause() {
        let problem = Problem::validation("The order breaks a rule.")
            .with_fault(Pointer::root().member("items").element(0), "is wrong")
            .caused_by("arn:aws:dynamodb:secret");
        let (response, body) = told(problem);
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
    fn the_headers_that_a_status_asks_for_are_there() {
        let (unauthorized, _) = told(Problem::unauthorized("Who are you?"));
        assert_eq!(unauthorized.headers()[WWW_AUTHENTICATE], r#"Bearer realm="order-service""#);
        let (not_allowed, _) = told(Problem::method_not_allowed(&[Method::GET, Method::DELETE]));
        assert_eq!(not_allowed.headers()[ALLOW], "GET, DELETE");
        let (unavailable, _) = told(Problem::unavailable(Duration::from_millis(1_001)));
        assert_eq!(unavailable.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn an_order_whose_fate_is_open_is_named() {
        let order_id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let problem = Problem::unavailable(RETRY_AFTER_DEFAULT).with_order_id(order_id);
        assert_eq!(told(problem).1["order_id"], order_id.to_string());
    }

    #[test]
    fn a_failed_port_is_503_where_trying_again_may_help() {
        let status = |class| Problem::from(Failure::new(class, "x")).kind().status().as_u16();
        assert_eq!(status(FailureClass::Unavailable), 503);
        assert_eq!(status(FailureClass::Throttled), 503);
        assert_eq!(status(FailureClass::Conflict), 503);
        assert_eq!(status(FailureClass::Permanent), 500);
    }
}
