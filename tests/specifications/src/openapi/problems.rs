//! The problem documents: a schema and the usual example of each kind, and the answers with them.

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

/// An example of a problem, as the service writes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Example {
    pub(super) kind: ProblemKind,
    document: Value,
}

impl From<&Problem> for Example {
    fn from(problem: &Problem) -> Self {
        let document = json!(problem.to_document("JKJaXmPLvHcESHA="));
        Self { kind: problem.kind(), document }
    }
}

impl Example {
    /// The one that operations of a kind share.
    pub(super) fn usual(kind: ProblemKind) -> Self {
        Self::from(&usual(kind))
    }

    fn is_usual(&self) -> bool {
        *self == Self::usual(self.kind)
    }

    fn to_value(&self) -> Value {
        json!({"summary": self.kind.title(), "value": self.document})
    }

    /// In an answer: the shared one is referred to.
    fn reference_or_value(&self) -> Value {
        if self.is_usual() {
            json!({"$ref": format!("#/components/examples/{}", self.kind.slug())})
        } else {
            self.to_value()
        }
    }
}

/// The usual example of each kind.
pub(super) fn examples() -> Map<String, Value> {
    let example = |kind: ProblemKind| (kind.slug().to_owned(), Example::usual(kind).to_value());
    ProblemKind::ALL.into_iter().map(example).collect()
}

/// A problem of a kind, in the words that most operations have for it.
pub(super) fn usual(kind: ProblemKind) -> Problem {
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
        Kind::Forbidden => "Send the request to the public address of this service.",
        Kind::NotFound => "You have no order with this ID.",
        Kind::MethodNotAllowed => return Problem::method_not_allowed(&[Method::GET, Method::HEAD]),
        Kind::Conflict => "The order was rejected, so it cannot be cancelled.",
        Kind::BodyTooLarge => "Send at most 65536 bytes.",
        Kind::UnsupportedMediaType => {
            "Send JSON as `Content-Type: application/json`, without a Content-Encoding."
        }
        Kind::Validation => {
            return Problem::validation("The body does not have the form that this path expects.")
                .with_fault(Pointer::root(), "must be an object");
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
    /// In the order of their kinds.
    examples: Vec<Example>,
    /// Whether API Gateway answers with this status too.
    gateway: bool,
}

/// The answers with these problems, one for each status, and API Gateway's own.
pub(super) fn responses(examples: &[Example], has_body: bool) -> Vec<ProblemResponse> {
    let mut gateway = vec![
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if has_body {
        gateway.push(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let own = examples.iter().map(|example| example.kind.status());
    let mut statuses: Vec<_> = own.chain(gateway.clone()).collect();
    statuses.sort();
    statuses.dedup();
    let response = |status| {
        let with_it = examples.iter().filter(|example| example.kind.status() == status);
        let gateway = gateway.contains(&status);
        ProblemResponse { status, examples: with_it.cloned().collect(), gateway }
    };
    statuses.into_iter().map(response).collect()
}

/// The answer to a method that a path does not have, which is no operation's.
pub(super) fn method_not_allowed() -> ProblemResponse {
    let example = Example::usual(ProblemKind::MethodNotAllowed);
    ProblemResponse { status: example.kind.status(), examples: vec![example], gateway: false }
}

impl ProblemResponse {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    fn kinds(&self) -> Vec<ProblemKind> {
        let mut kinds: Vec<_> = self.examples.iter().map(|example| example.kind).collect();
        kinds.dedup();
        kinds
    }

    /// Its name in the components, if other operations can answer with the same: if it has the
    /// usual example of each kind and no other.
    pub(super) fn name(&self) -> Option<String> {
        let mut names: Vec<String> = self.kinds().into_iter().map(name).collect();
        if names.len() < self.examples.len() || !self.examples.iter().all(Example::is_usual) {
            return None;
        }
        if names.is_empty() {
            names.push("Throttled".to_owned());
        }
        Some(names.join("Or"))
    }

    /// The examples by name. The second one of a kind has a number.
    fn named_examples(&self) -> Map<String, Value> {
        let mut named = Map::new();
        for example in &self.examples {
            let slug = example.kind.slug();
            let numbered = (2..).map(|number| format!("{slug}-{number}"));
            let mut names = std::iter::once(slug.to_owned()).chain(numbered);
            if let Some(name) = names.find(|name| !named.contains_key(name)) {
                named.insert(name, example.reference_or_value());
            }
        }
        named
    }

    /// Its form in the components or in an operation.
    pub(super) fn to_value(&self) -> Value {
        let mut content = Map::new();
        let kinds = self.kinds();
        let mut titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
        if !kinds.is_empty() {
            let reference = |kind: &ProblemKind| {
                let component = format!("#/components/schemas/{}Problem", name(*kind));
                json!({"$ref": component})
            };
            let mut references: Vec<Value> = kinds.iter().map(reference).collect();
            let schema = match references.len() {
                1 => references.remove(0),
                _ => json!({"oneOf": references}),
            };
            let body = json!({"schema": schema, "examples": self.named_examples()});
            content.insert(MEDIA_TYPE.to_owned(), body);
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
            StatusCode::METHOD_NOT_ALLOWED => &["Allow"],
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
