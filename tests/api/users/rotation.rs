//! `cargo xtask ops keys rotate`, and `GET /.well-known/jwks.json`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use super::{PASSWORD, Session, Visitor, new_email, part};
use crate::app::{App, PATIENCE, eventually, json_of, options, text, with_app, with_own};
use crate::leaks;

/// Fewer exchanges than an account may make in a row.
const EXCHANGES_MAX: u32 = 50;

fn kid(token: &str) -> String {
    text(&part(token, 0)["kid"])
}

async fn published(visitor: &Visitor) -> BTreeSet<String> {
    let answer = visitor.request(Method::GET, "/.well-known/jwks.json").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let set = json_of(answer).await;
    set["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"])).collect()
}

#[test]
fn the_public_keys_are_published_without_a_token() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let answer = visitor.request(Method::GET, "/.well-known/jwks.json").send().await.unwrap();
        let set = json_of(answer).await;
        // Other tests publish their own keys.
        let keys = set["keys"].as_array().unwrap();
        for key in keys {
            for (member, value) in
                [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("use", "sig")]
            {
                assert_eq!(key[member], value);
            }
            assert_eq!(key.get("d"), None, "the private part");
            assert_eq!(URL_SAFE_NO_PAD.decode(text(&key["x"])).unwrap().len(), 32);
        }
        assert!(keys.iter().any(|key| text(&key["kid"]) == kid(&app.token())), "{set}");
    });
}

/// Logs in until another key signs, and returns its `kid`.
///
/// A process may sign with the old key for another minute. So the pauses spread the logins that an
/// account allows in a row over all of [`PATIENCE`]: after those an account allows one login a
/// minute.
async fn signed_by_another(visitor: &Visitor, email: &str, old: &str) -> String {
    eventually("the new key signs", async || {
        let session = Session::of(visitor.try_to_log_in(email, PASSWORD).await).await;
        let kid = kid(&session.access);
        if kid != old {
            return Some(kid);
        }
        tokio::time::sleep(PATIENCE / 45).await;
        None
    })
    .await
}

#[test]
fn tokens_keep_working_through_a_rotation_under_load() {
    with_own(async || {
        let app = App::start(options()).await;
        let visitor = Visitor::new(&app);
        let email = new_email("rotation");
        visitor.register(&email).await;
        let old = visitor.log_in(&email).await;
        let old_kid = kid(&old.access);
        let (stop, requests) = (AtomicBool::new(false), AtomicU32::new(0));
        let ordered = AtomicU32::new(0);
        let works = async |token: &str| {
            let answer = visitor.get("/v1/users/me", token).await;
            assert_eq!(answer.status(), 200);
            requests.fetch_add(1, Ordering::Relaxed);
        };
        // A busy machine may miss an order's deadline, for which no token is to blame.
        let orders = async |token: &str| {
            let order = visitor.request(Method::POST, "/v1/orders").bearer_auth(token);
            let order = order.json(&json!({"items": [{"product_id": 8, "quantity": 1}]}));
            let answer = order.send().await.unwrap();
            assert!([201, 503].contains(&answer.status().as_u16()), "{}", answer.status());
            if answer.status() == 201 {
                let path = format!("/v1/orders/{}", text(&json_of(answer).await["order_id"]));
                assert_eq!(visitor.get(&path, token).await.status(), 200);
                ordered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let load = async || {
            let own = new_email("rotation");
            visitor.register(&own).await;
            let mut session = visitor.log_in(&own).await;
            let mut exchanges = 0;
            while !stop.load(Ordering::Relaxed) {
                works(&old.access).await;
                works(&session.access).await;
                orders(&old.access).await;
                orders(&session.access).await;
                // Further exchanges would have to wait.
                if exchanges < EXCHANGES_MAX {
                    session = Session::of(visitor.refresh(&session.refresh).await).await;
                    exchanges += 1;
                }
            }
        };
        let more_requests = async || {
            let enough = requests.load(Ordering::Relaxed) + 20;
            eventually("the load goes on", async || {
                (requests.load(Ordering::Relaxed) >= enough).then_some(())
            })
            .await;
        };
        let rotation = async {
            more_requests().await;
            let output = rotate(&app).await;
            let new_kid = signed_by_another(&visitor, &email, &old_kid).await;
            assert!(output.contains(&new_kid) && output.contains(&old_kid), "{output}");
            let both = BTreeSet::from([new_kid, old_kid.clone()]);
            assert_eq!(published(&visitor).await, both);
            more_requests().await;
            stop.store(true, Ordering::Relaxed);
        };
        let (_, ()) = tokio::join!(join_all((0..4).map(|_| load())), rotation);
        works(&old.access).await;
        assert!(ordered.load(Ordering::Relaxed) > 0);
        leaks::remember_signing_key(&app.system.endpoints.data);
        app.system.stop().await;
    });
}

async fn rotate(app: &App) -> String {
    let file = harness::provision::signing_key_file(&app.system.endpoints.data);
    let output = Command::new(options().binaries.join("xtask"))
        .args(["ops", "keys", "rotate", "--no-wait", "--table", &app.system.endpoints.table_url])
        .args(["--keys-table", app.system.names.table("KeysTable").unwrap()])
        .arg("--signing-key-file")
        .arg(file)
        .output()
        .await
        .expect("xtask is built as the functions are, by `cargo build --workspace`");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
