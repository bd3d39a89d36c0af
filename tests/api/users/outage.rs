//! With the table down or throttling nobody gets in.

use harness::faults::{Point, Toxic};
use harness::table_proxy::TableAnswer;
use serde_json::json;

use super::{Visitor, new_email};
use crate::app::{App, options, problem, with_own};

#[test]
fn nothing_fails_open() {
    with_own(async || {
        let mut options = options();
        options.proxies = true;
        let app = App::start(options).await;
        let visitor = Visitor::new(&app);
        let email = new_email("outage");
        visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let proxies = app.system.proxies.as_ref().unwrap();
        let toxics = [
            Toxic::Answer(TableAnswer::throttled()),
            Toxic::Answer(TableAnswer::internal_error()),
            Toxic::Lose,
        ];
        // Whatever is touched of all that a login reads and writes.
        for kind in ["EMAIL#", "USER#", "GUESS#", "SOURCES#", "SESSION#", "EVENT#"] {
            for toxic in &toxics {
                let table = &proxies.of("user-login").unwrap().table;
                let struck = move |call: &harness::table_proxy::TableCall| call.touches(kind);
                // An account of its own each time: what fails after it was counted stays counted.
                let email = new_email("struck");
                visitor.register(&email).await;
                let rule = table.on(Point::Request, struck).inflict(toxic.clone());
                let answer = visitor.try_to_log_in(&email, super::PASSWORD).await;
                assert!(answer.headers().contains_key("retry-after"), "{kind} {toxic:?}");
                problem(answer, 503, "unavailable").await;
                assert!(rule.struck() > 0, "{kind} {toxic:?}");
                drop(rule);
            }
        }
        for function in ["user-login", "register-user", "user-account", "create-order"] {
            proxies.of(function).unwrap().table.refuse().await.unwrap();
        }
        let refresh = visitor.refresh(&session.refresh).await;
        problem(refresh, 503, "unavailable").await;
        let body = json!({"refresh_token": session.refresh});
        let logout = visitor.post("/v1/users/logout", &body).await;
        problem(logout, 503, "unavailable").await;
        let login = visitor.try_to_log_in(&email, super::PASSWORD).await;
        problem(login, 503, "unavailable").await;
        let register = visitor.try_to_register(&new_email("outage"), super::PASSWORD).await;
        problem(register, 503, "unavailable").await;
        let shown = visitor.get("/v1/users/me", &session.access).await;
        problem(shown, 503, "unavailable").await;
        for function in ["user-login", "register-user", "user-account", "create-order"] {
            proxies.of(function).unwrap().table.accept().await.unwrap();
        }
        visitor.log_in(&email).await;
        app.system.stop().await;
    });
}
