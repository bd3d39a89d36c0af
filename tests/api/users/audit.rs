//! Each act on an account writes one log line, and one record that the owner can list.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::mail::OF_MAILS;
use super::{PASSWORD, Session, Visitor, WRONG, new_email, part};
use crate::app::{App, eventually, json_of, text, with_app};
use crate::leaks;

const NEW: &str = "yet-another-canary-of-good-length";

/// Sends requests about one account and checks the log lines and records that they leave.
struct Auditor<'a> {
    app: &'a App,
    user_id: u64,
    /// The sort keys of records from earlier checks.
    known: BTreeSet<String>,
}

/// The traces of an act: the message of its log line, and the kind of its record.
type Trace = (&'static str, &'static str);

fn session_id(session: &Session) -> String {
    text(&part(&session.access, 1)["sid"])
}

fn lines(request_id: &str, message: &str) -> Vec<Value> {
    let lines = leaks::lines_with(request_id);
    let lines = lines.iter().filter_map(|line| {
        let (_, line) = line.split_once("] ").unwrap();
        serde_json::from_str::<Value>(line).ok()
    });
    lines.filter(|line| line["request_id"] == request_id && line["message"] == message).collect()
}

impl Auditor<'_> {
    /// Kind, source and session of each record since the last call, in no order.
    async fn new_records(&mut self) -> BTreeSet<(String, String, Option<String>)> {
        let user = format!("USER#{}", self.user_id);
        let mut new = BTreeSet::new();
        for item in self.app.items("UsersTable").await {
            let member = |name: &str| Some(item.get(name)?.as_s().unwrap().clone());
            let (pk, sk) = (member("pk").unwrap(), member("sk").unwrap());
            if pk == user && sk.starts_with("ACTIVITY#") && self.known.insert(sk) {
                let kind = (member("kind").unwrap(), member("source").unwrap());
                assert!(
                    new.insert((kind.0, kind.1, member("session_id"))),
                    "the same record twice"
                );
            }
        }
        new
    }

    /// Sends a request and asserts that it left exactly these traces.
    async fn act(
        &mut self,
        visitor: &Visitor,
        request: RequestBuilder,
        session: Option<&str>,
        traces: &[Trace],
    ) -> reqwest::Response {
        let response = request.send().await.unwrap();
        let request_id = response.headers()["apigw-requestid"].to_str().unwrap().to_owned();
        let source = visitor.address.to_string();
        for (message, _) in traces {
            let line = eventually(&format!("{message:?} is in the log"), async || {
                let found = lines(&request_id, message);
                assert!(found.len() <= 1, "{found:?}");
                found.into_iter().next()
            })
            .await;
            // A login begins its session, so the test cannot know the session's id beforehand.
            let logged = line.get("session_id").and_then(Value::as_str);
            if session.is_some() {
                assert_eq!(logged, session, "{line}");
            }
            assert_eq!(line["user_id"], self.user_id, "{line}");
            assert_eq!(line["source"], source, "{line}");
        }
        let records = self.new_records().await;
        let kinds: BTreeSet<_> = records.iter().map(|(kind, ..)| kind.as_str()).collect();
        assert_eq!(kinds, traces.iter().map(|(_, kind)| *kind).collect());
        assert_eq!(records.len(), traces.len());
        for (kind, from, in_session) in &records {
            assert_eq!(from, &source, "{kind}");
            if session.is_some() {
                assert_eq!(in_session.as_deref(), session, "{kind}");
            }
        }
        response
    }
}

fn post(visitor: &Visitor, path: &str, body: &Value) -> RequestBuilder {
    visitor.request(Method::POST, path).json(body)
}

fn login(visitor: &Visitor, email: &str, password: &str) -> RequestBuilder {
    post(visitor, "/v1/users/login", &json!({"email": email, "password": password}))
}

fn refresh(visitor: &Visitor, token: &str) -> RequestBuilder {
    post(visitor, "/v1/users/token", &json!({"refresh_token": token}))
}

fn delete(visitor: &Visitor, session: &Session, password: &str) -> RequestBuilder {
    let delete = visitor.request(Method::DELETE, "/v1/users/me").bearer_auth(&session.access);
    delete.json(&json!({"current_password": password}))
}

fn change(visitor: &Visitor, session: &Session, current: &str) -> RequestBuilder {
    let body = json!({"current_password": current, "new_password": NEW});
    post(visitor, "/v1/users/me/password", &body).bearer_auth(&session.access)
}

/// Uses up the logins that an account allows for now, or restores them all.
async fn use_logins(app: &App, user_id: u64, all: bool) {
    let now = super::login::now().as_millis();
    let until = if all { now + 60 * 60 * 1_000 } else { 0 };
    let client = dynamodb::connect_to(&app.system.endpoints.table_url);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let updated = client
        .update_item()
        .table_name(app.system.names.table("UsersTable").unwrap())
        .key("pk", text(&format!("USER#{user_id}")))
        .key("sk", text("RECORD"))
        .update_expression("SET logins_until_ms = :until")
        .condition_expression("attribute_exists(logins_until_ms)")
        .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
        .send();
    updated.await.unwrap();
}

#[test]
fn every_act_is_one_line_of_the_log_and_one_record() {
    with_app(async |app| {
        let (home, away) = (Visitor::new(app), Visitor::new(app));
        let email = new_email("audit");
        let user_id = home.register(&email).await;
        let mut auditor = Auditor { app, user_id, known: BTreeSet::new() };
        let [(kind, source, _)] =
            <[_; 1]>::try_from(auditor.new_records().await.into_iter().collect::<Vec<_>>())
                .unwrap();
        assert_eq!((kind.as_str(), source), ("REGISTERED", home.address.to_string()));
        eventually("the registration is in the log, once", async || {
            let lines = leaks::lines_with(&format!("\"user_id\":{user_id}"));
            let lines = lines.iter().filter(|line| line.contains("\"message\":\"registered\""));
            (lines.count() == 1).then_some(())
        })
        .await;

        let logged_in = [("logged in", "LOGGED_IN")];
        let answer = auditor.act(&home, login(&home, &email, PASSWORD), None, &logged_in).await;
        let first = Session::of(answer).await;
        let session = session_id(&first);

        // From a network that the account doesn't know, until further guesses have to wait.
        for guess in 1..=10 {
            let mut traces = vec![("refused a login", "LOGIN_FAILED")];
            if guess == 10 {
                traces.push(("further logins have to wait", "LOCKED"));
            }
            auditor.act(&away, login(&away, &email, WRONG), None, &traces).await;
        }
        // A login that has to wait is not a guess. It stores no record, because otherwise anybody
        // could fill the table.
        auditor.act(&away, login(&away, &email, WRONG), None, &[]).await;

        let refreshed = [("refreshed a session", "REFRESHED")];
        let exchange = refresh(&home, &first.refresh);
        let answer = auditor.act(&home, exchange, Some(&session), &refreshed).await;
        let next = Session::of(answer).await;
        // A retry is not another exchange.
        auditor.act(&home, refresh(&home, &first.refresh), Some(&session), &[]).await;
        let exchange = refresh(&home, &next.refresh);
        auditor.act(&home, exchange, Some(&session), &refreshed).await;
        let reused = [("a refresh token was used twice; its session has ended", "REFRESH_REUSED")];
        let exchange = refresh(&away, &first.refresh);
        auditor.act(&away, exchange, Some(&session), &reused).await;
        // The session is over. Using the token again leaves no further trace.
        for _ in 0..3 {
            auditor.act(&away, refresh(&away, &first.refresh), Some(&session), &[]).await;
        }

        let answer = auditor.act(&home, login(&home, &email, PASSWORD), None, &logged_in).await;
        let second = Session::of(answer).await;
        let session = session_id(&second);
        use_logins(app, user_id, true).await;
        let limited = [("too many logins to an account", "LOGIN_LIMITED")];
        let answer = auditor.act(&home, login(&home, &email, PASSWORD), None, &limited).await;
        assert_eq!(answer.status(), 429);
        use_logins(app, user_id, false).await;

        let failed = [("the current password was wrong", "PASSWORD_CHANGE_FAILED")];
        auditor.act(&home, change(&home, &second, WRONG), Some(&session), &failed).await;
        let failed = [("the current password was wrong", "ACCOUNT_DELETION_FAILED")];
        auditor.act(&home, delete(&home, &second, WRONG), Some(&session), &failed).await;
        let changed = [("changed the password", "PASSWORD_CHANGED")];
        auditor.act(&home, change(&home, &second, PASSWORD), Some(&session), &changed).await;
        let logout = post(&home, "/v1/users/logout", &json!({"refresh_token": second.refresh}));
        auditor.act(&home, logout, Some(&session), &[("logged out", "LOGGED_OUT")]).await;

        let answer = auditor.act(&home, login(&home, &email, NEW), None, &logged_in).await;
        let third = Session::of(answer).await;
        let everywhere = post(&home, "/v1/users/logout", &json!({"everywhere": true}));
        let everywhere = everywhere.bearer_auth(&third.access);
        let ended = [("logged out everywhere", "LOGGED_OUT_EVERYWHERE")];
        auditor.act(&home, everywhere, Some(&session_id(&third)), &ended).await;

        assert_all_is_listed(&home, &email, &auditor).await;
    });
}

/// Asserts that the owner sees every record, and that every kind of record occurred except those of
/// mails: this system sends none, and `mail.rs` checks them.
async fn assert_all_is_listed(visitor: &Visitor, email: &str, auditor: &Auditor<'_>) {
    let session = Session::of(visitor.try_to_log_in(email, NEW).await).await;
    let listed = json_of(visitor.get("/v1/users/me/activity", &session.access).await).await;
    let listed = listed["activities"].as_array().unwrap();
    assert_eq!(listed.len(), auditor.known.len() + 1, "and the login to look");
    let kinds: BTreeSet<_> = listed.iter().map(|line| text(&line["type"])).collect();
    let all = domain::account::ActivityKind::ALL.map(|kind| kind.as_str());
    let others = all.into_iter().filter(|kind| !OF_MAILS.contains(kind)).map(str::to_owned);
    assert_eq!(kinds, others.collect());
}
