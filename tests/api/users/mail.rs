//! Addresses are confirmed and changed, and passwords reset, with tokens from mails.

use aws_sdk_dynamodb::types::AttributeValue;
use harness::mailbox::{Mailbox, SentMail};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::login::now;
use super::{PASSWORD, Session, Visitor, WRONG, comparable_headers, new_email, without_instance};
use crate::app::{App, eventually, json_of, options, problem, with_app, with_own};
use crate::leaks;
use crate::problems::try_everything;

const NEW: &str = "yet-another-canary-of-good-length";

/// Kinds of activities about mails.
pub(super) const OF_MAILS: [&str; 7] = [
    "EMAIL_CONFIRMATION_REQUESTED",
    "EMAIL_CONFIRMED",
    "EMAIL_CHANGE_REQUESTED",
    "EMAIL_CHANGE_FAILED",
    "EMAIL_CHANGED",
    "PASSWORD_RESET_REQUESTED",
    "PASSWORD_RESET",
];

const ROUTES: [(Method, &str); 5] = [
    (Method::POST, "/v1/users/me/email-confirmation"),
    (Method::PUT, "/v1/users/me/email"),
    (Method::POST, "/v1/email-confirmations"),
    (Method::POST, "/v1/password-resets"),
    (Method::POST, "/v1/password-resets/confirm"),
];

pub(crate) async fn own_system() -> (App, Mailbox) {
    let mut options = options();
    let mailbox = Mailbox::of(&mut options);
    options.pages = Some(mailbox.router());
    (App::start(options).await, mailbox)
}

/// From the mail to an address whose subject contains these words. No log may contain the token.
pub(crate) async fn token(mailbox: &Mailbox, to: &str, words: &str) -> String {
    let is_it = |mail: &SentMail| mail.to == [to] && mail.subject.contains(words);
    eventually(&format!("a mail arrives: {words}"), async || {
        let mail = mailbox.mails().into_iter().find(is_it)?;
        let token = mail.token()?.to_owned();
        leaks::remember(&token);
        Some(token)
    })
    .await
}

pub(super) async fn confirm(visitor: &Visitor, token: &str) -> Response {
    visitor.post("/v1/email-confirmations", &json!({"token": token})).await
}

pub(super) async fn reset(visitor: &Visitor, token: &str, new: &str) -> Response {
    let body = json!({"token": token, "new_password": new});
    visitor.post("/v1/password-resets/confirm", &body).await
}

async fn change(visitor: &Visitor, access: &str, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "current_password": password});
    let request = visitor.request(Method::PUT, "/v1/users/me/email").bearer_auth(access);
    request.json(&body).send().await.unwrap()
}

async fn ask_to_confirm(visitor: &Visitor, access: &str) -> Response {
    let request = visitor.request(Method::POST, "/v1/users/me/email-confirmation");
    request.bearer_auth(access).send().await.unwrap()
}

async fn account(visitor: &Visitor, access: &str) -> Value {
    json_of(visitor.get("/v1/users/me", access).await).await
}

/// Of the token's request, in milliseconds since 1970.
async fn expiry(app: &App, token: &str) -> i64 {
    let (request, _) = token.split_once('.').unwrap();
    let key = format!("MAIL#{request}");
    let item = app.item("UsersTable", &[("pk", &key), ("sk", "RECORD")]).await.unwrap();
    item["token_expires_at_ms"].as_n().unwrap().parse().unwrap()
}

async fn set_expiry(app: &App, token: &str, at_ms: i64) {
    let (request, _) = token.split_once('.').unwrap();
    let client = dynamodb::connect_to(&app.system.endpoints.table_url);
    let update = client
        .update_item()
        .table_name(app.system.names.table("UsersTable").unwrap())
        .key("pk", AttributeValue::S(format!("MAIL#{request}")))
        .key("sk", AttributeValue::S("RECORD".to_owned()))
        .update_expression("SET token_expires_at_ms = :at")
        .condition_expression("attribute_exists(token_expires_at_ms)")
        .expression_attribute_values(":at", AttributeValue::N(at_ms.to_string()));
    update.send().await.unwrap();
}

/// A visitor whose account waits for its confirmation and for a new password, and the tokens of
/// both mails.
async fn with_two_mails(app: &App, mailbox: &Mailbox, email: &str) -> (Visitor, [String; 2]) {
    let visitor = Visitor::new(app);
    visitor.register(email).await;
    let confirming = token(mailbox, email, "Confirm your e-mail").await;
    let asked = visitor.post("/v1/password-resets", &json!({"email": email})).await;
    assert_eq!(asked.status(), 202);
    let resetting = token(mailbox, email, "new password").await;
    (visitor, [confirming, resetting])
}

#[test]
fn a_mailed_token_confirms_changes_and_resets_once_and_for_its_purpose_alone() {
    with_own(async || {
        let (app, mailbox) = own_system().await;
        let visitor = Visitor::new(&app);
        let (email, other) = (new_email("mail"), new_email("mail"));
        visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        assert_eq!(account(&visitor, &session.access).await["email_confirmed"], false);
        let confirming = token(&mailbox, &email, "Confirm your e-mail").await;

        assert_eq!(ask_to_confirm(&visitor, &session.access).await.status(), 202);
        // A token is valid only for its purpose, and once.
        let refused = reset(&visitor, &confirming, NEW).await;
        let wrong = problem(refused, 400, "invalid-mail-token").await;
        assert_eq!(confirm(&visitor, &confirming).await.status(), 204);
        // A second use has no further effect, but a client whose answer was lost learns that it
        // succeeded.
        assert_eq!(confirm(&visitor, &confirming).await.status(), 204);
        let (request, _) = confirming.split_once('.').unwrap();
        let made_up = confirm(&visitor, &format!("{request}.made-up")).await;
        let made_up = problem(made_up, 400, "invalid-mail-token").await;
        let none = problem(confirm(&visitor, "x").await, 400, "invalid-mail-token").await;
        for refused in [made_up, none] {
            assert_eq!(without_instance(refused), without_instance(wrong.clone()));
        }
        assert_eq!(account(&visitor, &session.access).await["email_confirmed"], true);
        problem(ask_to_confirm(&visitor, &session.access).await, 409, "conflict").await;

        // The other address takes effect once it is confirmed.
        let refused = change(&visitor, &session.access, &other, WRONG).await;
        problem(refused, 422, "validation").await;
        assert_eq!(change(&visitor, &session.access, &other, PASSWORD).await.status(), 202);
        assert_eq!(account(&visitor, &session.access).await["requested_email"], other);
        let changing = token(&mailbox, &other, "new e-mail").await;
        assert_eq!(visitor.try_to_log_in(&other, PASSWORD).await.status(), 401);
        assert_eq!(confirm(&visitor, &changing).await.status(), 204);
        assert_eq!(account(&visitor, &session.access).await["email"], other);
        visitor.log_in(&other).await;

        // A reset ends the sessions.
        let nobody = new_email("unknown");
        let ask = async |email: &str| {
            let asked = visitor.post("/v1/password-resets", &json!({"email": email})).await;
            assert_eq!(asked.status(), 202);
            (comparable_headers(&asked), asked.bytes().await.unwrap())
        };
        // Nothing in the answer shows whether the address has an account.
        assert_eq!(ask(&other).await, ask(&nobody).await);
        let resetting = token(&mailbox, &other, "new password").await;
        problem(reset(&visitor, &resetting, "too short").await, 422, "validation").await;
        assert_eq!(reset(&visitor, &resetting, NEW).await.status(), 204);
        let used = problem(reset(&visitor, &resetting, NEW).await, 400, "invalid-mail-token").await;
        assert_eq!(without_instance(used)["detail"], wrong["detail"]);
        let over = visitor.get("/v1/users/me", &session.access).await;
        problem(over, 401, "unauthorized").await;
        assert_eq!(visitor.try_to_log_in(&other, PASSWORD).await.status(), 401);
        let session = Session::of(visitor.try_to_log_in(&other, NEW).await).await;
        assert!(mailbox.mails().iter().all(|mail| mail.to != [nobody.as_str()]));

        let listed = json_of(visitor.get("/v1/users/me/activity", &session.access).await).await;
        let listed = listed["activities"].as_array().unwrap();
        for kind in OF_MAILS {
            assert!(listed.iter().any(|line| line["type"] == kind), "{kind}: {listed:?}");
        }
        app.system.stop().await;
    });
}

/// Each token is valid before and after, so only its flaw leads to the refusal.
#[test]
fn a_token_with_the_secret_of_another_account_and_an_expired_one_are_refused_like_a_made_up_one() {
    with_own(async || {
        let (app, mailbox) = own_system().await;
        let (email, other) = (new_email("expires"), new_email("other"));
        let (visitor, [confirming, resetting]) = with_two_mails(&app, &mailbox, &email).await;
        let (_, others) = with_two_mails(&app, &mailbox, &other).await;
        let refused = async |[confirming, resetting]: [&str; 2]| {
            for answer in
                [confirm(&visitor, confirming).await, reset(&visitor, resetting, NEW).await]
            {
                let refused = problem(answer, 400, "invalid-mail-token").await;
                let made_up = confirm(&visitor, "x").await;
                let made_up = problem(made_up, 400, "invalid-mail-token").await;
                assert_eq!(without_instance(refused), without_instance(made_up));
            }
        };
        let with_secret_of = |token: &str, others: &str| {
            let (request, _) = token.split_once('.').unwrap();
            let (_, secret) = others.split_once('.').unwrap();
            format!("{request}.{secret}")
        };
        let mixed =
            [with_secret_of(&confirming, &others[0]), with_secret_of(&resetting, &others[1])];
        refused(mixed.each_ref().map(String::as_str)).await;

        let own = [confirming.as_str(), resetting.as_str()];
        let mut expiries = Vec::new();
        for token in own {
            expiries.push(expiry(&app, token).await);
            set_expiry(&app, token, now().as_millis() - 1).await;
        }
        refused(own).await;
        let access = visitor.log_in(&email).await.access;
        assert_eq!(account(&visitor, &access).await["email_confirmed"], false);
        for (token, at_ms) in own.into_iter().zip(expiries) {
            set_expiry(&app, token, at_ms).await;
        }
        assert_eq!(confirm(&visitor, &confirming).await.status(), 204);
        assert_eq!(account(&visitor, &access).await["email_confirmed"], true);
        assert_eq!(reset(&visitor, &resetting, NEW).await.status(), 204);
        assert_eq!(visitor.try_to_log_in(&email, NEW).await.status(), 200);
        app.system.stop().await;
    });
}

/// `problems.rs` tries these routes where they only answer that no mails are sent.
#[test]
fn every_error_of_the_routes_of_mails_has_one_form() {
    with_own(async || {
        let (app, _mailbox) = own_system().await;
        let visitor = Visitor::new(&app);
        let email = new_email("errors");
        visitor.register(&email).await;
        let access = visitor.log_in(&email).await.access;
        for (method, path) in ROUTES {
            let judged = try_everything(&visitor, &access, &method, path).await;
            // The request for a confirmation needs no body, and none is read.
            let all = if path == "/v1/users/me/email-confirmation" { 20 } else { 30 };
            assert!(judged >= all, "{method} {path}: {judged}");
        }
        app.system.stop().await;
    });
}

#[test]
fn without_a_sender_the_routes_of_mails_say_so() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("no-sender");
        visitor.register(&email).await;
        let access = visitor.log_in(&email).await.access;
        let answers = [
            ask_to_confirm(&visitor, &access).await,
            change(&visitor, &access, &new_email("no-sender"), PASSWORD).await,
            confirm(&visitor, "x").await,
            visitor.post("/v1/password-resets", &json!({"email": email})).await,
            reset(&visitor, "x", NEW).await,
        ];
        for answer in answers {
            problem(answer, 501, "not-configured").await;
        }
        assert_eq!(account(&visitor, &access).await["email_confirmed"], false);
    });
}
