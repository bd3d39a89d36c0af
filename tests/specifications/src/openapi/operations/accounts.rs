//! Registration, the user's own account, and the mails about it.

use contracts::user::{
    Account, ActivityPage, AskToResetPassword, ChangeEmail, ChangePassword, ConfirmEmail,
    DeleteAccount, Register, Registered, ResetPassword,
};
use http::{Method, StatusCode};
use serde_json::json;
use web::ProblemKind::{
    Forbidden, InvalidMailToken, InvalidParameter, NotConfigured, TooManyRequests,
};
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Pointer, Problem};

use super::{next_page, none};
use crate::openapi::operation::{Access, Body, Operation, Success};
use crate::openapi::problems::usual;
use crate::openapi::reusable::Parameter;
use crate::schemas::Schemas;

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        register(schemas),
        show(schemas),
        delete(schemas),
        change_password(schemas),
        list_activity(schemas),
        ask_to_confirm(),
        ask_to_change(schemas),
        confirm_email(schemas),
        ask_to_reset(schemas),
        reset_password(schemas),
    ]
}

const INVALID_ACCOUNT: &str = "The account data breaks a rule. Correct it and send it again.";
const UNCHANGED_PASSWORD: &str = "The password was not changed. Correct the body and try again.";
const UNCHANGED_ADDRESS: &str = "The address was not changed. Correct the body and try again.";
const TOO_MANY_MAILS: &str = "Too many mails were requested. Try again later.";

const INVALID_EMAIL: &str = "must be an e-mail address of at most 254 bytes";
const COMMON_PASSWORD: &str = "is among the most used passwords; choose another";
const WRONG_PASSWORD: &str = "is not the account's password";

/// A body of which one member breaks a rule.
fn invalid(detail: &str, member: &str, fault: &str) -> Problem {
    Problem::validation(detail).with_fault(Pointer::root().member(member), fault)
}

fn too_many(detail: &str) -> Problem {
    Problem::too_many_requests(detail, RETRY_AFTER_DEFAULT)
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
        problems: vec![
            usual(Forbidden),
            Problem::conflict(
                "This address already has an account. Log in, or use another address.",
            ),
            invalid(INVALID_ACCOUNT, "email", INVALID_EMAIL),
            invalid(INVALID_ACCOUNT, "password", COMMON_PASSWORD),
            too_many("There were too many registrations from your network. Try again later."),
        ],
    }
}

fn show(schemas: &mut Schemas) -> Operation {
    let account = json!({
        "user_id": 123,
        "email": "demo@example.com",
        "email_confirmed": true,
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
        problems: Vec::new(),
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
        problems: vec![
            usual(Forbidden),
            invalid(
                "The account was not deleted. Correct the password and try again.",
                "current_password",
                WRONG_PASSWORD,
            ),
            usual(TooManyRequests),
        ],
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
        problems: vec![
            usual(Forbidden),
            invalid(UNCHANGED_PASSWORD, "current_password", WRONG_PASSWORD),
            invalid(UNCHANGED_PASSWORD, "new_password", COMMON_PASSWORD),
            usual(TooManyRequests),
        ],
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
        problems: vec![Problem::new(
            InvalidParameter,
            "Send the previous page's `next_cursor` as `cursor`, or leave `cursor` out.",
        )],
    }
}

/// A mailed token, as an example.
const TOKEN: &str =
    "01890a5d-ac96-774b-bcce-b302099a8057.o6IVIsGnCzPr8iCoZQkUGYkVcYcvRhVKVqJ8YRbCbSs";

fn accepted(description: &'static str) -> Success {
    Success { status: StatusCode::ACCEPTED, description, body: None, headers: &[], links: none() }
}

fn done(description: &'static str) -> Success {
    Success { status: StatusCode::NO_CONTENT, ..accepted(description) }
}

fn ask_to_confirm() -> Operation {
    Operation {
        method: Method::POST,
        path: "/v1/users/me/email-confirmation",
        id: "askToConfirmEmail",
        tag: "accounts",
        summary: "Asks for the mail that confirms the address",
        description: "The mail follows within seconds; its token is good once, and for 30 minutes. \
            409 says that the address is confirmed already.",
        access: Access::User,
        parameters: vec![Parameter::Traceparent],
        body: None,
        success: accepted("The mail is asked for"),
        problems: vec![
            usual(Forbidden),
            Problem::conflict("The address is confirmed already, so no mail was sent."),
            too_many(TOO_MANY_MAILS),
            usual(NotConfigured),
        ],
    }
}

fn ask_to_change(schemas: &mut Schemas) -> Operation {
    let change = json!({
        "email": "jo@example.com",
        "current_password": "correct-horse-battery-staple",
    });
    Operation {
        method: Method::PUT,
        path: "/v1/users/me/email",
        id: "askToChangeEmail",
        tag: "accounts",
        summary: "Asks for another address",
        description: "It counts once the token that is mailed to it comes back. The answer does not \
            show whether the address is another account's; then no mail is sent. The account's own \
            address withdraws an earlier request. A wrong password is answered with 422.",
        access: Access::User,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<ChangeEmail>(),
            examples: vec![("change", "Another address", change)],
        }),
        success: accepted("The mail is asked for"),
        problems: vec![
            usual(Forbidden),
            invalid(UNCHANGED_ADDRESS, "current_password", WRONG_PASSWORD),
            invalid(UNCHANGED_ADDRESS, "email", INVALID_EMAIL),
            usual(TooManyRequests),
            too_many(TOO_MANY_MAILS),
            usual(NotConfigured),
        ],
    }
}

fn confirm_email(schemas: &mut Schemas) -> Operation {
    Operation {
        method: Method::POST,
        path: "/v1/email-confirmations",
        id: "confirmEmail",
        tag: "accounts",
        summary: "Confirms an address with a mailed token",
        description: "The one that the account has, or the one that was asked for, which then is the \
            account's. A token that is wrong, too old or of another purpose is answered with 400; a \
            used one with 204 while its address is the account's and confirmed, else with 400.",
        access: Access::Anyone,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<ConfirmEmail>(),
            examples: vec![("token", "The token of the mail", json!({"token": TOKEN}))],
        }),
        success: done("The address is confirmed"),
        problems: vec![usual(InvalidMailToken), usual(Forbidden), usual(NotConfigured)],
    }
}

fn ask_to_reset(schemas: &mut Schemas) -> Operation {
    Operation {
        method: Method::POST,
        path: "/v1/password-resets",
        id: "askToResetPassword",
        tag: "accounts",
        summary: "Asks for the mail that resets a password",
        description: "The answer is the same whether or not the address has an account.",
        access: Access::Anyone,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<AskToResetPassword>(),
            examples: vec![("address", "An address", json!({"email": "jo@example.com"}))],
        }),
        success: accepted("If the address has an account, a mail follows"),
        problems: vec![
            usual(Forbidden),
            invalid(
                "No mail was requested. Correct the body and try again.",
                "email",
                INVALID_EMAIL,
            ),
            too_many(TOO_MANY_MAILS),
            usual(NotConfigured),
        ],
    }
}

fn reset_password(schemas: &mut Schemas) -> Operation {
    let reset = json!({"token": TOKEN, "new_password": "other words make another one"});
    Operation {
        method: Method::POST,
        path: "/v1/password-resets/confirm",
        id: "resetPassword",
        tag: "accounts",
        summary: "Sets a new password with a mailed token",
        description: "All sessions end, and the address is confirmed. A password that is not allowed \
            is answered with 422 and leaves the token good; a token that is not good with 400.",
        access: Access::Anyone,
        parameters: vec![Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<ResetPassword>(),
            examples: vec![("reset", "A new password", reset)],
        }),
        success: done("The password is changed"),
        problems: vec![
            usual(InvalidMailToken),
            usual(Forbidden),
            invalid(
                "The password was not changed. Choose another one.",
                "new_password",
                COMMON_PASSWORD,
            ),
            usual(NotConfigured),
        ],
    }
}
