//! The table of the operations.

mod accounts;
mod orders;
mod service;
mod sessions;

use serde_json::{Value, json};

use super::operation::Operation;
use crate::schemas::Schemas;

/// Every operation.
pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let mut operations = orders::all(schemas);
    operations.extend(accounts::all(schemas));
    operations.extend(sessions::all(schemas));
    operations.extend(service::all(schemas));
    operations
}

/// A link to the next page of a listing.
fn next_page(operation: &str, parameters: &[&str]) -> Value {
    let mut link = json!({
        "operationId": operation,
        "description": "The page that follows, if `next_cursor` is there",
        "parameters": {"cursor": "$response.body#/next_cursor"},
    });
    // Those that the cursor was made for.
    for name in parameters {
        link["parameters"][name] = json!(format!("$request.query.{name}"));
    }
    json!({"nextPage": link})
}

/// No links.
fn none() -> Value {
    json!({})
}
