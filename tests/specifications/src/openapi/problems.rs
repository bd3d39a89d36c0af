//! The problem documents: a schema, an example and the answers of each kind.

use contracts::problem::MEDIA_TYPE;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Pointer, Problem, ProblemKind};

use super::reusable;

/// The name of a kind in the components, such as `MalformedJson`.
fn name(kind: ProblemKind) -> String {
    kind.slug().split('-').map(capitalised).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The schema of each kind, which narrows that of all problems, and of API Gateway's own errors.
/// The title is no part of it: programs don't compare words.
pub(super) fn schemas(problem: &Value) -> Map<String, Value> {
    let mut schemas: Map<String, Value> = ProblemKind::ALL
        .into_iter()
        .map(|kind| {
            let narrowed = json!({
                "type": "object",
                "properties": {
                    "type": {"const": kind.urn()},
                    "status": {"const": kind.status().as_u16()},
                },
            });
            let schema = json!({"description": kind.title(), "allOf": [problem, narrowed]});
            (format!("{}Problem", name(kind)), schema)
        })
        .collect();
    let message = json!({
        "type": "object",
        "description": "An error of API Gateway itself, before or after the service",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
    });
    schemas.insert("GatewayError".to_owned(), message);
    schemas
}

/// An example of each kind, as the service writes it.
pub(super) fn examples() -> Map<String, Value> {
    let example = |kind: ProblemKind| {
        let document = problem(kind).to_document("JKJaXmPLvHcESHA=");
        (kind.slug().to_owned(), json!({"summary": kind.title(), "value": document}))
    };
    ProblemKind::ALL.into_iter().map(example).collect()
}

/// A problem of a kind with a text that the service has.
fn problem(kind: ProblemKind) -> Problem {
    use ProblemKind as Kind;
    let detail = match kind {
        Kind::MalformedJson => "The body is empty. Send JSON.",
        Kind::InvalidHeader => "Send one Idempotency-Key, without a comma in it.",
        Kind::InvalidParameter => "`limit` must be a number from 1 to 100.",
        Kind::InvalidMailToken => {
            "The token is wrong, too old or used. Use the newest mail, or ask for another one."
        }
        Kind::Unauthorized => {
            "Log in and send the access token as `Authorization: Bearer <token>`."
        }
        Kind::Forbidden => {
            "The body's user_id is not the token's user. Leave it out, or log in as that user."
        }
        Kind::NotFound => "You have no order with this ID.",
        Kind::MethodNotAllowed => return Problem::method_not_allowed(&[Method::GET, Method::HEAD]),
        Kind::Conflict => "The order was rejected, so it cannot be cancelled.",
        Kind::BodyTooLarge => "Send at most 65536 bytes.",
        Kind::UnsupportedMediaType => {
            "Send JSON as `Content-Type: application/json`, without a Content-Encoding."
        }
        Kind::Validation => {
            let pointer = Pointer::root().member("items").element(0).member("quantity");
            let detail = "The body breaks a rule. See `errors` for what to change and where.";
            return Problem::validation(detail)
                .with_fault(pointer, "the quantity of one product must be from 1 to 999");
        }
        Kind::IdempotencyKeyReused => {
            "The Idempotency-Key was used for a different request. Send the same body again, or use a \
             new key."
        }
        Kind::TooManyRequests => "There were too many wrong passwords. Try again later.",
        Kind::NotConfigured => "This deployment sends no mails. Its operators can set a sender.",
        Kind::Unavailable => return Problem::unavailable(RETRY_AFTER_DEFAULT),
        Kind::Internal => return Problem::internal("an example"),
    };
    Problem::new(kind, detail)
}

/// What API Gateway says in its own answer with a status.
fn gateway_message(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::TOO_MANY_REQUESTS => "Too Many Requests",
        StatusCode::SERVICE_UNAVAILABLE => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The answer with one status of an operation.
pub(super) struct ProblemResponse {
    status: StatusCode,
    kinds: Vec<ProblemKind>,
    /// Whether API Gateway answers with this status too.
    gateway: bool,
}

/// The answers with these kinds of problems, one for each status, and API Gateway's own.
pub(super) fn responses(kinds: &[ProblemKind], has_body: bool) -> Vec<ProblemResponse> {
    let mut gateway = vec![
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if has_body {
        gateway.push(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut statuses: Vec<_> =
        kinds.iter().map(|kind| kind.status()).chain(gateway.clone()).collect();
    statuses.sort();
    statuses.dedup();
    let response = |status| {
        let kinds = kinds.iter().copied().filter(|kind| kind.status() == status).collect();
        ProblemResponse { status, kinds, gateway: gateway.contains(&status) }
    };
    statuses.into_iter().map(response).collect()
}

impl ProblemResponse {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Its name in the components.
    pub(super) fn name(&self) -> String {
        let mut names: Vec<String> = self.kinds.iter().map(|kind| name(*kind)).collect();
        if names.is_empty() {
            names.push("Throttled".to_owned());
        }
        names.join("Or")
    }

    /// Its form in the components.
    pub(super) fn to_value(&self) -> Value {
        let mut content = Map::new();
        let mut titles: Vec<&str> = self.kinds.iter().map(|kind| kind.title()).collect();
        if !self.kinds.is_empty() {
            let reference = |kind: &ProblemKind| {
                let component = format!("#/components/schemas/{}Problem", name(*kind));
                json!({"$ref": component})
            };
            let mut references: Vec<Value> = self.kinds.iter().map(reference).collect();
            let schema = match references.len() {
                1 => references.remove(0),
                _ => json!({"oneOf": references}),
            };
            let examples: Map<String, Value> = self
                .kinds
                .iter()
                .map(|kind| {
                    let reference = format!("#/components/examples/{}", kind.slug());
                    (kind.slug().to_owned(), json!({"$ref": reference}))
                })
                .collect();
            content.insert(MEDIA_TYPE.to_owned(), json!({"schema": schema, "examples": examples}));
        }
        if self.gateway {
            let schema = json!({"$ref": "#/components/schemas/GatewayError"});
            let example = json!({"message": gateway_message(self.status)});
            let body = json!({"schema": schema, "example": example});
            content.insert("application/json".to_owned(), body);
            titles.push("API Gateway's own error");
        }
        let headers = match self.status {
            StatusCode::UNAUTHORIZED => ["WWW-Authenticate"].as_slice(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => &["Retry-After"],
            _ => &[],
        };
        json!({
            "description": titles.join(", or: "),
            "headers": reusable::header_references(headers),
            "content": content,
        })
    }
}
