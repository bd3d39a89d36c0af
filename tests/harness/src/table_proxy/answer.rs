use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::TableCall;

/// The table's answer, or the proxy's instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAnswer {
    pub status: StatusCode,
    /// Those that are passed on.
    pub(crate) headers: http::HeaderMap,
    pub body: Bytes,
}

impl TableAnswer {
    /// `kind` is one of DynamoDB's errors, such as `ThrottlingException`.
    #[must_use]
    pub fn error(status: StatusCode, kind: &str) -> Self {
        let body = json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"),
            "message": "a test injected this fault",
        });
        Self::json(status, &body)
    }

    pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let mut headers = http::HeaderMap::new();
        let form = http::HeaderValue::from_static("application/x-amz-json-1.0");
        headers.insert(http::header::CONTENT_TYPE, form);
        Self { status, headers, body: body.to_string().into() }
    }

    #[must_use]
    pub fn throttled() -> Self {
        Self::error(StatusCode::BAD_REQUEST, "ThrottlingException")
    }

    #[must_use]
    pub fn over_capacity() -> Self {
        Self::error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException")
    }

    /// The table failed; whether the call was done is unknown.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
    }

    /// A write that conflicts with a running transaction: a single write is refused, a transaction
    /// is cancelled with this reason for each of its items.
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
