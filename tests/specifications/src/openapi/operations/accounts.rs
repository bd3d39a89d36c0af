//! Registration, and the user's own account.

use contracts::user::{Account, ActivityPage, ChangePassword, DeleteAccount, Register, Registered};
use http::{Method, StatusCode};
use serde_json::json;
use web::ProblemKind;

use super::{next_page, none};
use crate::openapi::operation::{Access, Body, Operation, Success};
use crate::openapi::reusable::Parameter;
use crate::schemas::Schemas;

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        register(schemas),
        show(schemas),
        delete(schemas),
        change_password(schemas),
        list_activity(schemas),
    ]
}

fn register(schemas: &mut Schemas) -> Operation {
    let new = json!({"email": "jo@example.com", "password": "many words make a good one"});
    let registered = json!({"user_id": 4_503_599_627_370_497_u64, "email": "jo@example.com"});
    Operation {
        method: Method::POST,
        path: "/v1/users",
        id: "registerUser",
        tag: "accounts",
        summary: "Registers an account",
        description: "409 says that the address has an account. A password that is among the most \
            used ones, or contains the address, is refused with 422.",
        access: Access::Anyone,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<Register>(),
            examples: vec![("newUser", "A new user", new)],
        }),
        success: Success {
            status: StatusCode::CREATED,
            description: "The new account",
            body: Some((schemas.response::<Registered>(), registered)),
            headers: &[],
            links: json!({
                "logIn": {
                    "operationId": "logIn",
                    "requestBody": {
                        "email": "$request.body#/email",
                        "password": "$request.body#/password",
                    },
                },
            }),
        },
        problems: &[ProblemKind::Forbidden, ProblemKind::Conflict, ProblemKind::TooManyRequests],
    }
}

fn show(schemas: &mut Schemas) -> Operation {
    let account = json!({
        "user_id": 123,
        "email": "demo@example.com",
        "registered_at": "2026-01-31T11:58:02.000Z",
    });
    Operation {
        method: Method::GET,
        path: "/v1/users/me",
        id: "showAccount",
        tag: "accounts",
        summary: "Shows the account",
        description: "The account of the token's user",
        access: Access::User,
        parameters: vec![Parameter::Traceparent],
        body: None,
        success: Success {
            status: StatusCode::OK,
            description: "The account",
            body: Some((schemas.response::<Account>(), account)),
            headers: &[],
            links: none(),
        },
        problems: &[],
    }
}

fn delete(schemas: &mut Schemas) -> Operation {
    let proof = json!({"current_password": "correct-horse-battery-staple"});
    Operation {
        method: Method::DELETE,
        path: "/v1/users/me",
        id: "deleteAccount",
        tag: "accounts",
        summary: "Deletes the account",
        description: "Address, password, activities and networks are erased and every session ends; \
            the user's number stays with its orders. A wrong password is answered with 422.",
        access: Access::User,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<DeleteAccount>(),
            examples: vec![("proof", "The current password", proof)],
        }),
        success: Success {
            status: StatusCode::NO_CONTENT,
            description: "The account is deleted",
            body: None,
            headers: &[],
            links: none(),
        },
        problems: &[ProblemKind::Forbidden, ProblemKind::TooManyRequests],
    }
}

fn change_password(schemas: &mut Schemas) -> Operation {
    let change = json!({
        "current_password": "correct-horse-battery-staple",
        "new_password": "other words make another one",
    });
    Operation {
        method: Method::POST,
        path: "/v1/users/me/password",
        id: "changePassword",
        tag: "accounts",
        summary: "Changes the password",
        description: "All other sessions end. A wrong current password, or a new one that is among \
            the most used or contains the address, is answered with 422.",
        access: Access::User,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<ChangePassword>(),
            examples: vec![("change", "A new password", change)],
        }),
        success: Success {
            status: StatusCode::NO_CONTENT,
            description: "The password is changed",
            body: None,
            headers: &[],
            links: none(),
        },
        problems: &[ProblemKind::Forbidden, ProblemKind::TooManyRequests],
    }
}

fn list_activity(schemas: &mut Schemas) -> Operation {
    let page = json!({
        "activities": [{
            "type": "LOGGED_IN",
            "at": "2026-01-31T11:59:10.250Z",
            "source": "203.0.113.7",
            "session_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        }],
    });
    Operation {
        method: Method::GET,
        path: "/v1/users/me/activity",
        id: "listActivity",
        tag: "accounts",
        summary: "Lists what the account was used for",
        description: "The newest first, for 90 days",
        access: Access::User,
        parameters: vec![Parameter::Cursor, Parameter::Traceparent],
        body: None,
        success: Success {
            status: StatusCode::OK,
            description: "A page of activities",
            body: Some((schemas.response::<ActivityPage>(), page)),
            headers: &[],
            links: next_page("listActivity", &[]),
        },
        problems: &[],
    }
}
