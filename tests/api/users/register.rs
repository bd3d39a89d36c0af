//! `POST /v1/users`

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, Visitor, new_email};
use crate::app::{App, json_of, problem, with_app};

#[test]
fn a_user_registers_logs_in_and_sees_their_account() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("New.User");
        let registered = visitor.try_to_register(&format!(" {email} "), PASSWORD).await;
        assert_eq!(registered.status(), 201);
        let registered = json_of(registered).await;
        assert_eq!(registered["email"], email, "as it was typed");
        assert!(registered["user_id"].as_u64().unwrap() < 1 << 53);
        let session = visitor.log_in(&email.to_uppercase()).await;
        let shown = visitor.get("/v1/users/me", &session.access).await;
        assert_eq!(shown.status(), 200);
        assert_eq!(shown.headers()["cache-control"], "no-store");
        let shown = json_of(shown).await;
        assert_eq!(shown["user_id"], registered["user_id"]);
        assert_eq!(shown["email"], registered["email"]);
        assert!(shown["registered_at"].is_string());
    });
}

#[test]
fn an_address_with_a_dotless_i_is_another_one() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let mike = new_email("mike");
        let other = mike.replace("mike", "m\u{131}ke");
        let user_id = visitor.register(&mike).await;
        assert_ne!(visitor.register(&other).await, user_id);
        problem(visitor.try_to_register(&mike, PASSWORD).await, 409, "conflict").await;
        let session = visitor.log_in(&other).await;
        let shown = json_of(visitor.get("/v1/users/me", &session.access).await).await;
        assert_eq!(shown["email"], other);
    });
}

#[test]
fn of_a_hundred_registrations_of_one_address_one_is_accepted_and_later_ones_have_to_wait() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("straße");
        let spellings = [
            email.clone(),
            email.to_uppercase(),
            format!(" {email}"),
            email.replace("straße", "ＳＴＲＡẞＥ"),
        ];
        let tries = (0..100).map(|n| visitor.try_to_register(&spellings[n % 4], PASSWORD));
        let tried = join_all(tries).await;
        let with_status = |status| tried.iter().filter(|answer| answer.status() == status).count();
        assert_eq!((with_status(201), with_status(409)), (1, 99));

        // A network may try 200 an hour, because each answer reveals whether an address is
        // registered.
        let tries = (0..100).map(|_| visitor.try_to_register(&email, PASSWORD));
        for answer in join_all(tries).await {
            problem(answer, 409, "conflict").await;
        }
        // Headers cannot change the network for which a request is counted.
        let one_more = json!({"email": new_email("one-more"), "password": PASSWORD});
        let refused = visitor
            .request(Method::POST, "/v1/users")
            .header("x-forwarded-for", "203.0.113.1")
            .header("x-real-ip", "203.0.113.1")
            .header("forwarded", "for=203.0.113.1")
            .json(&one_more);
        let refused = refused.send().await.unwrap();
        let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        problem(refused, 429, "too-many-requests").await;
        assert_eq!(
            Visitor::new(app).try_to_register(&new_email("other"), PASSWORD).await.status(),
            201
        );
    });
}

#[test]
fn a_password_is_accepted_by_its_length_and_not_by_its_composition() {
    with_app(async |app| {
        try_passwords(app).await;
    });
}

// ADR 0008: a password is compared as it was typed.
#[test]
fn two_spellings_of_one_character_are_two_passwords_and_one_address() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let (composed, decomposed) = ("jos\u{e9}", "jose\u{301}");
        let email = new_email(composed);
        let password = |name: &str| format!("canary of {name} that is long enough");
        let registered = visitor.try_to_register(&email, &password(composed)).await;
        assert_eq!(registered.status(), 201);
        let other = email.replace(composed, decomposed);
        assert_ne!(email, other);
        assert_eq!(visitor.try_to_log_in(&other, &password(composed)).await.status(), 200);
        assert_eq!(visitor.try_to_log_in(&email, &password(decomposed)).await.status(), 401);
        let taken = visitor.try_to_register(&other, &password(decomposed)).await;
        problem(taken, 409, "conflict").await;
    });
}

/// Tries valid and invalid passwords. Returns the number of each.
pub(super) async fn try_passwords(app: &App) -> (usize, usize) {
    let visitor = Visitor::new(app);
    let twin = "0123456789 twelve times six is ".repeat(3);
    let accepted = [
        "fifteen letters",
        "               ",
        "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀",
        "a NUL is no end\0 of it",
        &"sixty-four".repeat(7)[..64],
        &"q!".repeat(64),
        &format!("{twin}a"),
    ];
    for password in accepted {
        let email = new_email("length");
        let answer = visitor.try_to_register(&email, password).await;
        assert_eq!(answer.status(), 201, "{password:?}");
        assert_eq!(visitor.try_to_log_in(&email, password).await.status(), 200);
        // No part of it is ignored: neither the end beyond 72 bytes nor the part after a NUL.
        let mut cut = password.to_owned();
        cut.pop();
        assert_eq!(visitor.try_to_log_in(&email, &cut).await.status(), 401, "{password:?}");
        let twin = format!("{cut}b");
        assert_eq!(visitor.try_to_log_in(&email, &twin).await.status(), 401, "{password:?}");
    }
    let email = new_email("length");
    let refused = [
        "7 chars".to_owned(),
        "8 chars.".to_owned(),
        "fourteen chars".to_owned(),
        "🦀".repeat(14),
        "x".repeat(1_025),
        "passwordpassword".to_owned(),
        "PASSWORDPASSWORD".to_owned(),
        format!("my name is {email}"),
    ];
    for password in &refused {
        let answer = visitor.try_to_register(&email, password).await;
        let problem = problem(answer, 422, "validation").await;
        assert_eq!(problem["errors"][0]["pointer"], "#/password", "{password}");
        assert!(!problem.to_string().contains(password), "{problem}");
    }
    (accepted.len(), refused.len())
}

#[test]
fn an_invalid_address_or_an_unknown_member_is_refused() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        for email in ["", "demo", "a@b@c", "de mo@example.com", "a\r\nb@example.com"] {
            let answer = visitor.try_to_register(email, PASSWORD).await;
            let problem = problem(answer, 422, "validation").await;
            assert_eq!(problem["errors"][0]["pointer"], "#/email", "{email:?}");
        }
        for member in ["user_id", "is_admin", "status", "session_epoch", "password_hash"] {
            let mut body = json!({"email": new_email("extra"), "password": PASSWORD});
            body[member] = json!(1);
            problem(visitor.post("/v1/users", &body).await, 422, "validation").await;
        }
        let twice = r#"{"email": "a@example.com", "password": "x", "password": "y"}"#;
        for (body, status, slug) in [
            (twice.to_owned(), 422, "validation"),
            ("{".to_owned(), 400, "malformed-json"),
            ("[".repeat(10_000), 422, "validation"),
            (" ".repeat(70_000) + "{}", 413, "body-too-large"),
        ] {
            let request = visitor.request(Method::POST, "/v1/users");
            let request = request.header("content-type", "application/json").body(body);
            problem(request.send().await.unwrap(), status, slug).await;
        }
    });
}
