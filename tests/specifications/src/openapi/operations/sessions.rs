//! Logins, refreshes and logouts.

use contracts::login::{Login, Logout, Refresh, Tokens};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use web::Problem;
use web::ProblemKind::{Forbidden, TooManyRequests};
use web::problem::RETRY_AFTER_DEFAULT;

use super::none;
use crate::openapi::operation::{Access, Body, Operation, Success};
use crate::openapi::problems::usual;
use crate::openapi::reusable::Parameter;
use crate::schemas::Schemas;

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    vec![log_in(schemas), refresh(schemas), log_out(schemas)]
}

/// A refresh token as one looks. It is nobody's.
const REFRESH_TOKEN: &str =
    "01890a5d-ac96-774b-bcce-b302099a8057.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn tokens(schemas: &mut Schemas) -> Success {
    let example = json!({
        "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA",
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": REFRESH_TOKEN,
    });
    Success {
        status: StatusCode::OK,
        description: "The tokens of the session",
        body: Some((schemas.response::<Tokens>(), example)),
        headers: &[],
        links: json!({
            "refresh": {"operationId": "refreshSession", "requestBody": newest()},
            "logOut": {"operationId": "logOut", "requestBody": newest()},
        }),
    }
}

fn newest() -> Value {
    json!({"refresh_token": "$response.body#/refresh_token"})
}

fn too_many(detail: &str) -> Problem {
    Problem::too_many_requests(detail, RETRY_AFTER_DEFAULT)
}

fn log_in(schemas: &mut Schemas) -> Operation {
    let demo = json!({"email": "demo@example.com", "password": "correct-horse-battery-staple"});
    Operation {
        method: Method::POST,
        path: "/v1/users/login",
        id: "logIn",
        tag: "sessions",
        summary: "Begins a session",
        description: "The answer to a wrong address is that to a wrong password. After ten wrong \
            passwords in a row, the next guess at the account has to wait.",
        access: Access::Anyone,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<Login>(),
            examples: vec![("demo", "The demo user that `cargo xtask up` creates", demo)],
        }),
        success: tokens(schemas),
        problems: vec![
            Problem::unauthorized("The e-mail address or the password is wrong. Check both."),
            usual(Forbidden),
            usual(TooManyRequests),
            too_many("There were too many logins to this account. Try again later."),
        ],
    }
}

fn refresh(schemas: &mut Schemas) -> Operation {
    Operation {
        method: Method::POST,
        path: "/v1/users/token",
        id: "refreshSession",
        tag: "sessions",
        summary: "Exchanges a refresh token",
        description: "A refresh token is good once: a second use, once its successor was used or ten \
            seconds are over, ends the session.",
        access: Access::Anyone,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<Refresh>(),
            examples: vec![("newest", "The newest refresh token of a session", refresh_example())],
        }),
        success: tokens(schemas),
        problems: vec![
            Problem::unauthorized("The refresh token is not valid. Log in again."),
            usual(Forbidden),
            too_many(
                "Too many refresh tokens of this account were exchanged. Try again later with the \
                 same token.",
            ),
            Problem::unavailable(RETRY_AFTER_DEFAULT).with_detail(
                "The service can't answer at the moment. Try again later with the same token; if \
                 that is refused, log in again.",
            ),
        ],
    }
}

fn refresh_example() -> Value {
    json!({"refresh_token": REFRESH_TOKEN})
}

fn log_out(schemas: &mut Schemas) -> Operation {
    Operation {
        method: Method::POST,
        path: "/v1/users/logout",
        id: "logOut",
        tag: "sessions",
        summary: "Ends one session or all",
        description: "Either `refresh_token`, which needs no access token and is answered with 204 \
            whether or not it is of a session, or `everywhere` as true with an access token.",
        access: Access::UserSometimes,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<Logout>(),
            examples: vec![
                ("one", "The session of a refresh token", refresh_example()),
                ("everywhere", "Every session of the token's user", json!({"everywhere": true})),
            ],
        }),
        success: Success {
            status: StatusCode::NO_CONTENT,
            description: "The session is over, or all of them",
            body: None,
            headers: &[],
            links: none(),
        },
        problems: vec![
            usual(Forbidden),
            Problem::validation(
                "Send either the `refresh_token` of the session to end, or `everywhere` as true \
                 with an access token.",
            ),
        ],
    }
}
