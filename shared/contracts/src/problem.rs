//! Errors over HTTP: `application/problem+json`, RFC 9457.

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An error response: what went wrong and what to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// The kind of problem: a URN that programs compare.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind in words, the same for every problem of the kind.
    pub title: String,
    /// The HTTP status of the response.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// What is wrong with this request and what to change.
    pub detail: String,
    /// The request's id, by which its log lines are found.
    pub instance: String,
    /// Every fault of the request's body, if it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The order that the request may or may not have created, if that is unknown: a retry with the
    /// same `Idempotency-Key` settles it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
}

/// One fault of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) as a URI fragment, such as `#/items/0/quantity`.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}
