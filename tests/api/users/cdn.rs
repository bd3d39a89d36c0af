//! Behind a CDN, a request's source is the one that the CDN states, if the request has the CDN's
//! secret; otherwise it is refused.

use std::collections::BTreeMap;

use harness::system::{System, SystemOptions};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{PASSWORD, WRONG, new_email};
use crate::app::{App, json_of, options, problem, text, with_app};
use crate::leaks;

const ADDRESS_HEADER: &str = "CloudFront-Viewer-Address";
const SECRET_HEADER: &str = "X-Origin-Verify";
const SECRET: &str = "W0pGq8VqkXyNnJ3uT5bRz7cLd1fHs9aEo2iKm4wYx6gQ";
const OTHER_SECRET: &str = "A0pGq8VqkXyNnJ3uT5bRz7cLd1fHs9aEo2iKm4wYx6gQ";

/// A system behind a CDN, with the cluster and the table of another system. All requests of a test
/// come from one address, like those of a CDN's edge.
struct Behind {
    system: System,
    client: Client,
}

impl Behind {
    async fn start(app: &App) -> Self {
        leaks::remember(SECRET);
        leaks::remember(OTHER_SECRET);
        let settings = BTreeMap::from([
            ("CDN_ADDRESS_HEADER".to_owned(), ADDRESS_HEADER.to_owned()),
            ("CDN_SECRET_HEADER".to_owned(), SECRET_HEADER.to_owned()),
            ("CDN_SECRET".to_owned(), SECRET.to_owned()),
        ]);
        let functions = ["register-user", "user-login", "user-account"];
        let header = |name: &str, value| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(value))
        };
        let options = SystemOptions {
            namesrv: Some(app.system.endpoints.namesrv.clone()),
            table: Some(app.system.endpoints.table_url.clone()),
            schedules: false,
            headers: HeaderMap::from_iter([
                header(ADDRESS_HEADER, "203.0.113.1:1"),
                header(SECRET_HEADER, SECRET),
            ]),
            function_environment: functions
                .map(|function| (function.to_owned(), settings.clone()))
                .into(),
            ..options()
        };
        let system = System::start(options).await.unwrap();
        leaks::remember_signing_key(&system.endpoints.data);
        Self { system, client: Client::new() }
    }

    fn direct(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.system.api_url))
    }

    /// A request that reached the CDN from a network.
    fn from(&self, network: &str, method: Method, path: &str) -> RequestBuilder {
        self.direct(method, path)
            .header(ADDRESS_HEADER, format!("{network}:4711"))
            .header(SECRET_HEADER, SECRET)
    }

    async fn register(&self, network: &str, email: &str) {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.from(network, Method::POST, "/v1/users").json(&body).send().await;
        assert_eq!(answer.unwrap().status(), 201);
    }

    async fn log_in(&self, network: &str, email: &str, password: &str) -> Response {
        let body = json!({"email": email, "password": password});
        let request = self.from(network, Method::POST, "/v1/users/login");
        request.json(&body).send().await.unwrap()
    }
}

#[test]
fn behind_a_cdn_networks_are_counted_apart_though_one_address_sends_all_requests() {
    with_app(async |app| {
        let behind = Behind::start(app).await;
        let (attacker, owner) = ("2001:db8:0:1::7", "203.0.113.20");
        let email = new_email("cdn");
        behind.register(owner, &email).await;
        let mut verified = 0;
        for _ in 0..40 {
            match behind.log_in(attacker, &new_email("stuffed"), WRONG).await.status().as_u16() {
                401 => verified += 1,
                429 => {}
                status => panic!("{status}"),
            }
        }
        assert_eq!(verified, 30);
        // Only the attacker's /64 has to wait.
        assert_eq!(behind.log_in("2001:db8:0:1::8", &email, PASSWORD).await.status(), 429);
        let session = behind.log_in(owner, &email, PASSWORD).await;
        assert_eq!(session.status(), 200);
        let session = json_of(session).await;
        let (access, refresh) = (text(&session["access_token"]), text(&session["refresh_token"]));
        leaks::remember(&access);
        leaks::remember(&refresh);
        let activity = behind.direct(Method::GET, "/v1/users/me/activity").bearer_auth(&access);
        let activity = json_of(activity.send().await.unwrap()).await;
        assert_eq!(activity["activities"][0]["source"], owner, "{activity}");
        behind.system.stop().await;
    });
}

/// The routes that count or record the source of a request, with a valid body.
fn routes(email: &str) -> [(Method, &'static str, Value); 6] {
    let token = "00000000-0000-7000-8000-000000000000.secret";
    [
        (Method::POST, "/v1/users", json!({"email": email, "password": PASSWORD})),
        (Method::POST, "/v1/users/login", json!({"email": email, "password": PASSWORD})),
        (Method::POST, "/v1/users/token", json!({"refresh_token": token})),
        (Method::POST, "/v1/users/logout", json!({"refresh_token": token})),
        (Method::DELETE, "/v1/users/me", json!({"current_password": PASSWORD})),
        (
            Method::POST,
            "/v1/users/me/password",
            json!({"current_password": PASSWORD, "new_password": WRONG}),
        ),
    ]
}

#[test]
fn a_spoofed_address_has_no_effect_without_the_cdns_secret() {
    with_app(async |app| {
        let behind = Behind::start(app).await;
        let (home, email) = ("203.0.113.30", new_email("direct"));
        behind.register(home, &email).await;
        let session = json_of(behind.log_in(home, &email, PASSWORD).await).await;
        let access = text(&session["access_token"]);
        leaks::remember(&access);
        leaks::remember(&text(&session["refresh_token"]));
        let spoofed = |request: RequestBuilder| request.header(ADDRESS_HEADER, format!("{home}:1"));
        for (method, path, body) in routes(&email) {
            for secret in [None, Some(OTHER_SECRET)] {
                let request = spoofed(behind.direct(method.clone(), path)).bearer_auth(&access);
                let request = secret
                    .into_iter()
                    .fold(request, |request, secret| request.header(SECRET_HEADER, secret));
                problem(request.json(&body).send().await.unwrap(), 403, "forbidden").await;
            }
        }
        // Refused guesses are not counted: neither the account, nor the network that they claim,
        // nor the address that sent them has to wait.
        for _ in 0..40 {
            let guess = spoofed(behind.direct(Method::POST, "/v1/users/login"));
            let guess = guess.json(&json!({"email": email, "password": WRONG}));
            assert_eq!(guess.send().await.unwrap().status(), 403);
        }
        for network in [home, "127.0.0.1"] {
            assert_eq!(behind.log_in(network, &email, WRONG).await.status(), 401, "{network}");
        }
        // A route that needs no source stays open: others read the public keys.
        let keys = behind.direct(Method::GET, "/.well-known/jwks.json").send().await.unwrap();
        assert_eq!(keys.status(), 200);
        // A CDN that states no address is noticed immediately.
        let request = behind.direct(Method::POST, "/v1/users/login").header(SECRET_HEADER, SECRET);
        let body = json!({"email": email, "password": PASSWORD});
        problem(request.json(&body).send().await.unwrap(), 500, "internal").await;
        behind.system.stop().await;
    });
}
