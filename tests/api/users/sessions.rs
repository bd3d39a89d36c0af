//! `POST /v1/users/token` and `/v1/users/logout`

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{Session, Visitor, new_email, without_instance};
use crate::app::{problem, with_app};

async fn assert_over(visitor: &Visitor, token: &str) {
    problem(visitor.refresh(token).await, 401, "unauthorized").await;
}

#[test]
fn a_refresh_token_is_exchanged_once_and_its_second_use_ends_the_session() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("refresh");
        visitor.register(&email).await;
        let other = visitor.log_in(&email).await;
        let first = visitor.log_in(&email).await;
        let second = Session::of(visitor.refresh(&first.refresh).await).await;
        let third = Session::of(visitor.refresh(&second.refresh).await).await;
        assert_eq!(visitor.get("/v1/users/me", &third.access).await.status(), 200);
        // A used token is used again, perhaps by a thief.
        assert_over(&visitor, &first.refresh).await;
        assert_over(&visitor, &third.refresh).await;
        let over = visitor.get("/v1/users/me", &third.access).await;
        problem(over, 401, "unauthorized").await;
        Session::of(visitor.refresh(&other.refresh).await).await;
    });
}

#[test]
fn exchanges_at_once_return_one_successor() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("parallel");
        visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let tabs = join_all((0..20).map(|_| visitor.refresh(&session.refresh))).await;
        let tabs = join_all(tabs.into_iter().map(Session::of)).await;
        let successor = &tabs[0].refresh;
        assert!(tabs.iter().all(|tab| tab.refresh == *successor));
        let next = Session::of(visitor.refresh(successor).await).await;
        // The successor is used now.
        assert_over(&visitor, &session.refresh).await;
        assert_over(&visitor, &next.refresh).await;
    });
}

#[test]
fn every_invalid_refresh_token_is_answered_alike() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("alike");
        visitor.register(&email).await;
        let used = visitor.log_in(&email).await.refresh;
        let next = Session::of(visitor.refresh(&used).await).await;
        Session::of(visitor.refresh(&next.refresh).await).await;
        let mut problems = Vec::new();
        for token in [&used, "", "made up", &"A".repeat(43), &used[1..], &"x".repeat(10_000)] {
            let problem = problem(visitor.refresh(token).await, 401, "unauthorized").await;
            problems.push(without_instance(problem));
        }
        assert!(problems.windows(2).all(|pair| pair[0] == pair[1]), "{problems:?}");
    });
}

#[test]
fn a_logout_ends_one_session_or_all() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("logout");
        visitor.register(&email).await;
        let sessions = [
            visitor.log_in(&email).await,
            visitor.log_in(&email).await,
            visitor.log_in(&email).await,
        ];
        let [first, second, third] = &sessions;
        let body = json!({"refresh_token": first.refresh});
        for _ in 0..2 {
            assert_eq!(visitor.post("/v1/users/logout", &body).await.status(), 204);
        }
        assert_over(&visitor, &first.refresh).await;
        let second = Session::of(visitor.refresh(&second.refresh).await).await;

        let everywhere = visitor.request(Method::POST, "/v1/users/logout");
        let everywhere = everywhere.bearer_auth(&second.access).json(&json!({"everywhere": true}));
        assert_eq!(everywhere.send().await.unwrap().status(), 204);
        assert_over(&visitor, &second.refresh).await;
        assert_over(&visitor, &third.refresh).await;
        let over = visitor.get("/v1/users/me", &third.access).await;
        problem(over, 401, "unauthorized").await;
        let later = visitor.log_in(&email).await;
        // The access token of an ended session does not end a session that began later.
        let everywhere = visitor.request(Method::POST, "/v1/users/logout");
        let everywhere = everywhere.bearer_auth(&third.access).json(&json!({"everywhere": true}));
        problem(everywhere.send().await.unwrap(), 401, "unauthorized").await;
        Session::of(visitor.refresh(&later.refresh).await).await;
    });
}

#[test]
fn a_logout_says_what_ends() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        for body in [
            json!({}),
            json!({"everywhere": false}),
            json!({"refresh_token": "x", "everywhere": true}),
            json!({"user_id": 123, "everywhere": true}),
        ] {
            problem(visitor.post("/v1/users/logout", &body).await, 422, "validation").await;
        }
        let anonymous = visitor.post("/v1/users/logout", &json!({"everywhere": true})).await;
        problem(anonymous, 401, "unauthorized").await;
    });
}
