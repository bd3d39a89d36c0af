//! What others need to know of the service itself.

use contracts::health::Health;
use contracts::login::JsonWebKeySet;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use web::Problem;
use web::problem::RETRY_AFTER_DEFAULT;

use super::none;
use crate::openapi::operation::{Access, Operation, Success};
use crate::schemas::Schemas;

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let keys = json!({
        "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }],
    });
    let lives = Route {
        path: "/health",
        id: "showHealth",
        summary: "Answers while the function runs",
        description: "It looks at nothing else.",
        problems: Vec::new(),
    };
    let ready = Route {
        path: "/health/ready",
        id: "showReadiness",
        summary: "Says whether orders can be created",
        description: "`degraded` with reasons while events may be late, and 503 while no order can \
            be created.",
        problems: vec![
            Problem::unavailable(RETRY_AFTER_DEFAULT)
                .with_detail("No order can be created: a table that orders need can't be read."),
        ],
    };
    let published = Route {
        path: "/.well-known/jwks.json",
        id: "listPublicKeys",
        summary: "Lists the keys that verify access tokens",
        description: "A JSON Web Key Set (RFC 7517), to be cached as `Cache-Control` says",
        problems: Vec::new(),
    };
    vec![
        lives.operation((schemas.response::<Health>(), json!({"status": "ok"}))),
        ready.operation((schemas.response::<Health>(), json!({"status": "ready"}))),
        published.operation((schemas.response::<JsonWebKeySet>(), keys)),
    ]
}

/// A route that needs no token and no parameters.
struct Route {
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    problems: Vec<Problem>,
}

impl Route {
    fn operation(self, body: (Value, Value)) -> Operation {
        Operation {
            method: Method::GET,
            path: self.path,
            id: self.id,
            tag: "service",
            summary: self.summary,
            description: self.description,
            access: Access::Anyone,
            parameters: Vec::new(),
            body: None,
            success: Success {
                status: StatusCode::OK,
                description: "The answer",
                body: Some(body),
                headers: &[],
                links: none(),
            },
            problems: self.problems,
        }
    }
}
