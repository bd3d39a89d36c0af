//! The HTTP API as `OpenAPI` 3.1.
//!
//! What the code has no types for, such as which problems a route can answer with, is in the table
//! of `operations`. The tests of `tests/architecture` compare its routes with the template's, and
//! Schemathesis compares every part of it with the running system.

mod operation;
mod operations;
mod problems;
mod reusable;

use serde_json::{Map, Value, json};

use crate::schemas::Schemas;
use operation::Operation;

/// How its authors describe the API; docs/api.md says what no machine needs.
const DESCRIPTION: &str = "\
Orders, accounts and sessions. Amounts are integers in minor units; times are RFC 3339 in UTC. \
Every error of the service is a problem document (RFC 9457): compare its `type`. API Gateway's own \
errors (throttling, its time-out, bodies of more than 10 MB) have only a `message`. Every path with \
GET also has HEAD, which is answered as GET with the same status and headers and without content; \
HEAD has no operations here, so that generated clients do not have each of GET twice. A method that \
a path does not have is answered with 405, `Allow` and a problem document, as the response \
MethodNotAllowed describes; no operation refers to it. Any other path is answered with 404.";

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let operations = operations::all(&mut schemas);
    let problem = schemas.response::<contracts::problem::Problem>();
    let mut paths: Map<String, Value> = Map::new();
    let mut responses: Map<String, Value> = Map::new();
    let not_allowed = problems::method_not_allowed();
    responses.extend(not_allowed.name().map(|name| (name, not_allowed.to_value())));
    for operation in &operations {
        responses.extend(operation.problem_responses());
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = operation.to_value();
    }
    let mut definitions = schemas.into_definitions();
    definitions.extend(problems::schemas(&problem));
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Order service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": servers(),
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": definitions,
            "responses": responses,
            "parameters": reusable::parameters(),
            "headers": reusable::headers(),
            "examples": problems::examples(),
            "securitySchemes": {"bearer": reusable::security_scheme()},
        },
    })
}

/// Each operation's method and path, such as `POST /v1/orders`.
pub fn routes() -> Vec<String> {
    let operations: Vec<Operation> = operations::all(&mut Schemas::new());
    operations.iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect()
}

fn servers() -> Value {
    json!([
        {"url": "/", "description": "The host that serves this document"},
        {"url": "http://127.0.0.1:8000", "description": "`cargo xtask up`"},
        {
            "url": "https://{domain}",
            "description": "A deployment",
            "variables": {
                "domain": {
                    "default": "api.example.com",
                    "description": "The parameter `DomainName`, or the domain that API Gateway has given",
                },
            },
        },
    ])
}

fn tags() -> Value {
    json!([
        {"name": "orders", "description": "A user's orders. They begin as CREATED and become \
            CONFIRMED, when their stock is reserved, or REJECTED, when there is not enough or the account would hold too many open units."},
        {"name": "products", "description": "What is sold"},
        {"name": "sessions", "description": "Logins, the tokens of a session, and its end"},
        {"name": "accounts", "description": "Registration, and the user's own account"},
        {"name": "service", "description": "Health, and the keys that verify access tokens"},
    ])
}
