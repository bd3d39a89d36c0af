use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::TableCall;

/// What a table says, or what the proxy says in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAnswer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers that pass.
    pub(crate) headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl TableAnswer {
    /// An error of DynamoDB's own, such as `ThrottlingException`.
    #[must_use]
    pub fn error(status: StatusCode, kind: &str) -> Self {
        let body = json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"),
            "message": "a fault was asked for",
        });
        Self::json(status, &body)
    }

    /// An answer with this body.
    pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let mut headers = http::HeaderMap::new();
        let form = http::HeaderValue::from_static("application/x-amz-json-1.0");
        headers.insert(http::header::CONTENT_TYPE, form);
        Self { status, headers, body: body.to_string().into() }
    }

    /// The account is over its rate of requests.
    #[must_use]
    pub fn throttled() -> Self {
        Self::error(StatusCode::BAD_REQUEST, "ThrottlingException")
    }

    /// The table is over the rate that it was provisioned for.
    #[must_use]
    pub fn over_capacity() -> Self {
        Self::error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException")
    }

    /// The table failed; whether the call was done is not told.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
    }

    /// A write that conflicts with a transaction under way: one alone is refused, a transaction is
    /// cancelled with that reason for each of its items.
    #[must_use]
    pub fn conflict(call: &TableCall) -> Self {
        let items = call.body.get("TransactItems").and_then(serde_json::Value::as_array);
        let Some(items) = items else {
            return Self::error(StatusCode::BAD_REQUEST, "TransactionConflictException");
        };
        let reasons = vec![json!({"Code": "TransactionConflict"}); items.len()];
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled, please refer cancellation reasons",
            "CancellationReasons": reasons,
        });
        Self::json(StatusCode::BAD_REQUEST, &body)
    }
}
