//! Parameters, headers and the security scheme, which operations refer to by name.

use application::ports::{IdempotencyKey, PageLimit};
use contracts::order::STATUSES;
use serde_json::{Map, Value, json};

/// A parameter of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    OrderId,
    IdempotencyKey,
    CancelIdempotencyKey,
    Traceparent,
    Limit,
    Cursor,
    Status,
}

impl Parameter {
    const ALL: [Self; 7] = [
        Self::OrderId,
        Self::IdempotencyKey,
        Self::CancelIdempotencyKey,
        Self::Traceparent,
        Self::Limit,
        Self::Cursor,
        Self::Status,
    ];

    /// Whether it is in the query, where a value that is wrong is answered with 400.
    pub(super) fn is_checked_in_query(self) -> bool {
        matches!(self, Self::Limit | Self::Cursor | Self::Status)
    }

    /// Whether it is a header of which a wrong value is answered with 400.
    pub(super) fn is_checked_header(self) -> bool {
        matches!(self, Self::IdempotencyKey | Self::CancelIdempotencyKey)
    }

    pub(super) fn reference(self) -> Value {
        json!({"$ref": format!("#/components/parameters/{self:?}")})
    }

    fn to_value(self) -> Value {
        match self {
            Self::OrderId => json!({
                "name": "order_id",
                "in": "path",
                "required": true,
                "description": "The order, as the answer to its creation names it",
                "schema": {"type": "string", "format": "uuid"},
            }),
            Self::IdempotencyKey => idempotency_key(
                "A new random text for each order, such as a UUID. The same request under the same \
                 key creates no second order, and settles what became of the first. No comma, \
                 because API Gateway joins two headers by one.",
            ),
            Self::CancelIdempotencyKey => idempotency_key(
                "Of no effect, for clients that send one with every request: a cancel may be sent \
                 again without one. No comma, because API Gateway joins two headers by one; a key \
                 that is not valid is refused.",
            ),
            Self::Traceparent => json!({
                "name": "traceparent",
                "in": "header",
                "description": "W3C Trace Context, version 00. It is in log lines, and on the messages \
                    of the events that the request raises. One that is not well formed is ignored.",
                "schema": {"type": "string"},
                "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            }),
            Self::Limit => json!({
                "name": "limit",
                "in": "query",
                "description": "How many items a page has at most. It may have fewer, or none, and \
                    still not be the last.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": PageLimit::MAX.get(),
                    "default": 20,
                },
            }),
            Self::Cursor => json!({
                "name": "cursor",
                "in": "query",
                "description": "The `next_cursor` of the page before, as it is",
                "schema": {"type": "string"},
            }),
            Self::Status => json!({
                "name": "status",
                "in": "query",
                "description": "Only the orders of this status",
                "schema": {"type": "string", "enum": STATUSES},
            }),
        }
    }
}

fn idempotency_key(description: &str) -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "description": description,
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": IdempotencyKey::LENGTH_MAX,
            "pattern": "^[!-+\\--~]+$",
        },
        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    })
}

pub(super) fn parameters() -> Map<String, Value> {
    let named = |parameter: Parameter| (format!("{parameter:?}"), parameter.to_value());
    Parameter::ALL.into_iter().map(named).collect()
}

/// The headers that every answer of a function has.
const EVERY: [&str; 2] = ["Cache-Control", "X-Content-Type-Options"];

/// References to these headers and to those of every answer.
pub(super) fn header_references(names: &[&str]) -> Map<String, Value> {
    let reference =
        |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    EVERY.iter().chain(names).map(reference).collect()
}

pub(super) fn headers() -> Value {
    json!({
        "Allow": {
            "description": "The methods that the path has (RFC 9110, section 10.2.1), with commas \
                between them",
            "required": true,
            "schema": {"type": "string"},
            "example": "GET, HEAD",
        },
        "Cache-Control": {
            "description": "`no-store`, but for the public keys",
            "schema": {"type": "string"},
        },
        "X-Content-Type-Options": {
            "description": "No browser guesses another media type",
            "schema": {"type": "string", "const": "nosniff"},
        },
        "Location": {
            "description": "The path of the order",
            "required": true,
            "schema": {"type": "string", "format": "uri-reference"},
            "example": "/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057",
        },
        "Idempotency-Replayed": {
            "description": "Present if an earlier request under the same key created the order. The \
                body is the order as it was created.",
            "schema": {"type": "string", "const": "true"},
        },
        "Retry-After": {
            "description": "How many seconds to wait. Not on API Gateway's own errors.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "WWW-Authenticate": {
            "description": "The same for every missing or invalid token (RFC 6750)",
            "required": true,
            "schema": {"type": "string", "const": "Bearer realm=\"order-service\""},
        },
    })
}

pub(super) fn security_scheme() -> Value {
    json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of a login (RFC 9068, Ed25519), good for 15 minutes. The \
            keys of `/.well-known/jwks.json` verify it.",
    })
}
