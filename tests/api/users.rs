//! Accounts and sessions, as their owners use them and as others attack them.

mod account;
mod audit;
mod authorization;
mod cdn;
mod events;
mod forgeries;
mod guessing;
mod hashes;
mod limits;
pub(crate) mod login;
mod logs;
pub(crate) mod mail;
mod outage;
mod register;
mod replay;
mod rotation;
mod sessions;
mod statistics;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::user::User;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::app::{App, json_of, text};
use crate::leaks;

pub(crate) const PASSWORD: &str = "a-canary-that-is-long-enough";
const WRONG: &str = "another-canary-of-good-length";

/// A client in a separate network: an address of 127.0.0.0/8, which the gateway sees as the source.
pub(crate) struct Visitor {
    api_url: String,
    client: Client,
    address: IpAddr,
}

struct Session {
    access: String,
    refresh: String,
}

/// No other test uses the address.
pub(crate) fn new_email(name: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    format!("canary-{name}.{}@example.com", MADE.fetch_add(1, Ordering::Relaxed))
}

impl Visitor {
    /// No other test uses the visitor's network.
    pub(crate) fn new(app: &App) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        // From 127.1.0.1 on.
        let address = 0x7f01_0001 + MADE.fetch_add(1, Ordering::Relaxed);
        let address = IpAddr::V4(Ipv4Addr::from_bits(address));
        let client = Client::builder().local_address(address).build().unwrap();
        Self { api_url: app.system.api_url.clone(), client, address }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.api_url))
    }

    pub(crate) fn with_token(&self, token: String) -> User {
        User::new(&self.api_url, self.client.clone(), token)
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(token).send().await.unwrap()
    }

    async fn try_to_register(&self, email: &str, password: &str) -> Response {
        self.post("/v1/users", &json!({"email": email, "password": password})).await
    }

    async fn register(&self, email: &str) -> u64 {
        let response = self.try_to_register(email, PASSWORD).await;
        assert_eq!(response.status(), 201);
        json_of(response).await["user_id"].as_u64().unwrap()
    }

    async fn try_to_log_in(&self, email: &str, password: &str) -> Response {
        self.post("/v1/users/login", &json!({"email": email, "password": password})).await
    }

    async fn log_in(&self, email: &str) -> Session {
        Session::of(self.try_to_log_in(email, PASSWORD).await).await
    }

    /// Registers a user, and logs them in.
    pub(crate) async fn with_account(&self, email: &str) -> User {
        self.register(email).await;
        self.with_token(self.log_in(email).await.access)
    }

    async fn refresh(&self, token: &str) -> Response {
        self.post("/v1/users/token", &json!({"refresh_token": token})).await
    }
}

impl Session {
    async fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        let tokens = json_of(response).await;
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
        let session =
            Self { access: text(&tokens["access_token"]), refresh: text(&tokens["refresh_token"]) };
        leaks::remember(&session.access);
        leaks::remember(&session.refresh);
        session
    }
}

/// A decoded part of a JWT: 0 is the header, 1 the claims.
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn without_instance(mut problem: Value) -> Value {
    problem["instance"] = Value::Null;
    problem
}

/// Headers to be compared with those of another answer: all but the id of the request and the date.
fn comparable_headers(response: &Response) -> BTreeMap<String, String> {
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    headers.filter(|(name, _)| name != "date" && name != "apigw-requestid").collect()
}
