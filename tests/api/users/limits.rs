//! Limits for the logins to an account and the exchanges of its tokens.

use std::time::{Duration, Instant};

use domain::account::{EXCHANGES, LOGINS, Rate};
use reqwest::Response;

use super::{PASSWORD, Session, Visitor, WRONG, new_email};
use crate::app::{problem, with_app};

/// Asserts that the rate allows exactly `made` uses in this time, and that the answer to the next
/// one says so.
async fn assert_limited(rate: Rate, made: u32, took: Duration, answer: Response, detail: &str) {
    let forgotten = took.as_secs() / rate.interval.as_secs();
    let allowed = u64::from(rate.at_once)..=u64::from(rate.at_once) + forgotten;
    assert!(allowed.contains(&u64::from(made)), "{made} in {took:?}");
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=rate.interval.as_secs()).contains(&wait), "{wait}");
    let problem = problem(answer, 429, "too-many-requests").await;
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
}

#[test]
fn logins_and_exchanges_of_one_account_are_limited_and_of_no_other() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("often");
        visitor.register(&email).await;
        let started = Instant::now();
        let (mut session, mut logins) = (visitor.log_in(&email).await, 1);
        let limited = loop {
            let answer = visitor.try_to_log_in(&email, PASSWORD).await;
            if answer.status() != 200 {
                break answer;
            }
            session = Session::of(answer).await;
            logins += 1;
        };
        let took = started.elapsed();
        assert_limited(LOGINS, logins, took, limited, "logins to this account").await;
        // A wrong password is refused as before.
        assert_eq!(Visitor::new(app).try_to_log_in(&email, WRONG).await.status(), 401);

        let (started, mut exchanges) = (Instant::now(), 0);
        let limited = loop {
            let answer = visitor.refresh(&session.refresh).await;
            if answer.status() != 200 {
                break answer;
            }
            session = Session::of(answer).await;
            exchanges += 1;
        };
        let took = started.elapsed();
        assert_limited(EXCHANGES, exchanges, took, limited, "refresh tokens").await;
        // The session is still valid.
        assert_eq!(visitor.get("/v1/users/me", &session.access).await.status(), 200);

        let other = new_email("seldom");
        visitor.register(&other).await;
        Session::of(visitor.refresh(&visitor.log_in(&other).await.refresh).await).await;
    });
}
