//! The shape of the API: the answers of each route, in one snapshot.
//!
//! The snapshot is in `snapshots/`. A change of it is a change for clients. If the change is
//! intended, run the test with `INSTA_UPDATE=always`, and commit the new snapshot.

use std::collections::BTreeSet;
use std::fmt::Write;

use harness::user::User;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::{App, eventually, text, with_app};
use crate::leaks;
use crate::users::{Visitor, new_email};

const PASSWORD: &str = "a-snapshot-that-is-long-enough";

/// Headers that clients read, besides those of every answer.
const HEADERS: [&str; 6] =
    ["content-type", "location", "allow", "www-authenticate", "accept", "idempotency-replayed"];

/// The requests and answers so far.
#[derive(Default)]
struct Shapes {
    text: String,
    /// The method and the segments of the path of each request.
    requested: BTreeSet<(String, Vec<String>)>,
}

impl Shapes {
    /// Sends a request, and records it with its answer.
    async fn add(&mut self, what: &str, request: impl Fn() -> RequestBuilder) -> Value {
        self.add_when(what, request, |_| true).await
    }

    /// Sends a request until its answer is the expected one, and records both. On a busy machine an
    /// answer may be 503; then a repetition settles the request.
    async fn add_when(
        &mut self,
        what: &str,
        request: impl Fn() -> RequestBuilder,
        is_expected: impl Fn(&Value) -> bool,
    ) -> Value {
        let (method, url, (status, headers), body) = eventually(what, async || {
            let request = request().build().unwrap();
            let (method, url) = (request.method().to_string(), request.url().clone());
            let answer = Client::new().execute(request).await.unwrap();
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                return None;
            }
            let head = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            is_expected(&body).then_some((method, url, head, body))
        })
        .await;
        writeln!(self.text, "# {what}\n{method} {}\n{}", path_of(&url), status.as_u16()).unwrap();
        self.requested.insert((method, segments(url.path())));
        for name in HEADERS {
            for value in headers.get_all(name) {
                let value = string(name, value.to_str().unwrap());
                writeln!(self.text, "{name}: {value}").unwrap();
            }
        }
        if !body.is_null() {
            writeln!(self.text, "\n{:#}", shape("", &body)).unwrap();
        }
        self.text.push('\n');
        body
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

/// Values that differ in each run are replaced by names.
fn path_of(url: &Url) -> String {
    let segments = url.path().split('/').map(|segment| string("", segment));
    let path = segments.collect::<Vec<_>>().join("/");
    match url.query() {
        Some(query) => match query.split_once("cursor=") {
            Some((before, _)) => format!("{path}?{before}cursor=[cursor]"),
            None => format!("{path}?{query}"),
        },
        None => path,
    }
}

/// Values that differ in each run are replaced by names.
fn shape(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), shape(name, value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(|value| shape(name, value)).collect(),
        Value::String(text) => Value::String(string(name, text)),
        Value::Number(_) if name == "user_id" => "[number]".into(),
        other => other.clone(),
    }
}

fn string(name: &str, text: &str) -> String {
    let is_time = text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z');
    match name {
        "access_token" | "refresh_token" => "[token]".to_owned(),
        "next_cursor" => "[cursor]".to_owned(),
        "email" => "[address]".to_owned(),
        "kid" | "x" => "[key]".to_owned(),
        "source" => "[network]".to_owned(),
        "instance" => "[request]".to_owned(),
        "location" => path_of(&Url::parse("http://host").unwrap().join(text).unwrap()),
        _ if Uuid::parse_str(text).is_ok() => "[uuid]".to_owned(),
        _ if is_time => "[time]".to_owned(),
        _ => text.to_owned(),
    }
}

/// Waits until the order has so many notifications; after that nothing of it changes.
async fn until_notified(user: &User, order_id: &str, notifications: usize) {
    let path = format!("/v1/orders/{order_id}");
    eventually("the user is notified", async || {
        let order = user.request(Method::GET, &path).send().await.unwrap();
        let order: Value = order.json().await.ok()?;
        (order["notifications"].as_array()?.len() == notifications).then_some(())
    })
    .await;
}

async fn registers(shapes: &mut Shapes, app: &App) -> User {
    let visitor = Visitor::new(app);
    let email = new_email("shapes");
    let credentials = json!({"email": email, "password": PASSWORD});
    let post = |path: &str, body: &Value| visitor.request(Method::POST, path).json(body);
    let users = "/v1/users";
    shapes.add("a user registers", || post(users, &credentials)).await;
    shapes.add("the address is taken", || post(users, &credentials)).await;
    let short = json!({"email": new_email("shapes"), "password": "short"});
    shapes.add("the password is short", || post(users, &short)).await;
    let login = "/v1/users/login";
    let wrong = json!({"email": email, "password": "another-password"});
    shapes.add("the password is wrong", || post(login, &wrong)).await;
    let tokens = shapes.add("the user logs in", || post(login, &credentials)).await;
    let refresh = json!({"refresh_token": remembered(&tokens["refresh_token"])});
    let exchange = "/v1/users/token";
    let tokens = shapes.add("a refresh token is exchanged", || post(exchange, &refresh)).await;
    remembered(&tokens["refresh_token"]);
    let unknown = json!({"refresh_token": "unknown"});
    shapes.add("a refresh token is unknown", || post(exchange, &unknown)).await;
    visitor.with_token(remembered(&tokens["access_token"]))
}

fn remembered(secret: &Value) -> String {
    let secret = text(secret);
    leaks::remember(&secret);
    secret
}

async fn orders(shapes: &mut Shapes, user: &User) {
    let orders = "/v1/orders";
    let order =
        json!({"items": [{"product_id": 1, "quantity": 2}, {"product_id": 3, "quantity": 1}]});
    let create = |body: &Value, key: &str| {
        user.request(Method::POST, orders).header("idempotency-key", key).json(body)
    };
    let first = shapes.add("an order is created", || create(&order, "first")).await;
    let order_id = text(&first["order_id"]);
    until_notified(user, &order_id, 2).await;
    let other = json!({"items": [{"product_id": 2, "quantity": 1}]});
    shapes.add("its key comes with another order", || create(&other, "first")).await;
    let unknown = json!({"items": [{"product_id": 999_999, "quantity": 1}]});
    shapes.add("a product is unknown", || create(&unknown, "unknown")).await;
    let wrong = json!({"items": [{"product_id": 0, "quantity": "two"}], "discount": 1});
    shapes.add("three members are wrong", || create(&wrong, "wrong")).await;
    let one = format!("{orders}/{order_id}");
    shapes.add("an order is confirmed", || user.request(Method::GET, &one)).await;
    let second = shapes.add("a second order is created", || create(&other, "second")).await;
    until_notified(user, &text(&second["order_id"]), 2).await;
    let page = format!("{orders}?limit=1");
    let page = shapes.add("orders are listed", || user.request(Method::GET, &page)).await;
    let cursor = text(&page["next_cursor"]);
    let next = format!("{orders}?limit=1&status=CONFIRMED&cursor={cursor}");
    shapes.add("the cursor is of another list", || user.request(Method::GET, &next)).await;
    let cancel = format!("{one}/cancel");
    shapes.add("an order is cancelled", || user.request(Method::POST, &cancel)).await;
    let missing = format!("{orders}/{}", Uuid::nil());
    shapes.add("an order is unknown", || user.request(Method::GET, &missing)).await;
    let deleting = || user.request(Method::DELETE, orders);
    shapes.add("a method is not allowed", deleting).await;
    let without_token = || user.anonymous(Method::GET, orders);
    shapes.add("there is no token", without_token).await;
    let text_body = || user.request(Method::POST, orders).body("two of the first, please");
    shapes.add("the body is not JSON", text_body).await;
    let broken = || {
        let request = user.request(Method::POST, orders).body("{\"items\":");
        request.header("content-type", "application/json")
    };
    shapes.add("the body ends too soon", broken).await;
    let products = || user.anonymous(Method::GET, "/v1/products?limit=1");
    shapes.add("products are listed", products).await;
}

async fn account(shapes: &mut Shapes, user: &User) {
    let me = "/v1/users/me";
    shapes.add("the account is shown", || user.request(Method::GET, me)).await;
    let activity = || user.request(Method::GET, "/v1/users/me/activity");
    shapes.add("the account's activities are listed", activity).await;
    let with_body =
        |method: Method, path: &str, body: Value| user.request(method, path).json(&body);
    let email = || {
        let body = json!({"email": "other@example.com", "current_password": PASSWORD});
        with_body(Method::PUT, "/v1/users/me/email", body)
    };
    shapes.add("another address is asked for, and no mails are sent", email).await;
    let confirmation = || user.request(Method::POST, "/v1/users/me/email-confirmation");
    shapes.add("a mail is asked for, and no mails are sent", confirmation).await;
    let anonymous = |path: &str, body: Value| user.anonymous(Method::POST, path).json(&body);
    let confirm = || anonymous("/v1/email-confirmations", json!({"token": "unknown"}));
    shapes.add("an address is confirmed, and no mails are sent", confirm).await;
    let forgotten = || anonymous("/v1/password-resets", json!({"email": "other@example.com"}));
    shapes.add("a password is forgotten, and no mails are sent", forgotten).await;
    let reset = || {
        let body = json!({"token": "unknown", "new_password": PASSWORD});
        anonymous("/v1/password-resets/confirm", body)
    };
    shapes.add("a password is reset, and no mails are sent", reset).await;
    let change = || {
        let body = json!({"current_password": "wrong", "new_password": PASSWORD});
        with_body(Method::POST, "/v1/users/me/password", body)
    };
    shapes.add("the current password is wrong", change).await;
    let log_out = || {
        let unknown = json!({"refresh_token": "unknown"});
        user.anonymous(Method::POST, "/v1/users/logout").json(&unknown)
    };
    shapes.add("a user logs out", log_out).await;
    let delete = || with_body(Method::DELETE, me, json!({"current_password": PASSWORD}));
    shapes.add("the account is deleted", delete).await;
    shapes.add("it is gone", || user.request(Method::GET, me)).await;
}

/// The routes of the template of which no request was sent. HEAD is answered as GET is.
fn missing<'a>(shapes: &Shapes, app: &'a App) -> Vec<(&'a str, &'a str)> {
    let is_requested = |method: &str, path: &str| {
        let template = segments(path);
        shapes.requested.iter().any(|(requested, segments)| {
            let same =
                |(segment, part): (&String, &String)| part.starts_with('{') || segment == part;
            requested == method
                && segments.len() == template.len()
                && segments.iter().zip(&template).all(same)
        })
    };
    let routes = app.system.template.functions.iter().flat_map(|function| &function.routes);
    routes
        .map(|route| (route.method.as_str(), route.path.as_str()))
        .filter(|(method, path)| *method != "HEAD" && path.starts_with('/'))
        .filter(|(method, path)| !is_requested(method, path))
        .collect()
}

#[test]
fn each_answer_has_the_shape_that_clients_know() {
    with_app(async |app| {
        let mut shapes = Shapes::default();
        let get = |path: &'static str| move || app.anonymous(Method::GET, path);
        shapes.add("the service is alive", get("/health")).await;
        // While an event of another test is late, health says so.
        let is_ready = |body: &Value| body["status"] == "ready";
        shapes.add_when("the service is ready", get("/health/ready"), is_ready).await;
        shapes.add("the API is not shown, because ApiDocs is off", get("/docs")).await;
        shapes.add("its files are not served", get("/docs/openapi.yaml")).await;
        shapes.add("the keys are fetched", get("/.well-known/jwks.json")).await;
        shapes.add("there is no such route", get("/v1/nowhere")).await;
        let user = registers(&mut shapes, app).await;
        orders(&mut shapes, &user).await;
        account(&mut shapes, &user).await;
        assert_eq!(missing(&shapes, app), [], "these routes have no request here");
        insta::assert_snapshot!(shapes.text);
    });
}
