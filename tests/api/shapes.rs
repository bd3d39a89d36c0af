//! The shape of the API: the answers of each URL, in a snapshot of its own.
//!
//! The snapshots are in `snapshots/`. A change of one is a change for clients. If the change is
//! intended, run the test with `INSTA_UPDATE=always`, and commit the new snapshots. Delete that of
//! a URL that is no longer requested.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use harness::user::{User, order_of};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::ProblemKind;

use crate::app::{App, eventually, root, text, with_app};
use crate::leaks;
use crate::users::mail::{own_system, token};
use crate::users::{PASSWORD, Visitor, new_email};

/// Headers that clients read, besides those of every answer.
const HEADERS: [&str; 7] = [
    "content-type",
    "location",
    "allow",
    "www-authenticate",
    "accept",
    "idempotency-replayed",
    "retry-after",
];

/// The requests and answers so far.
#[derive(Default)]
struct Shapes {
    /// By the name of the URL's snapshot.
    texts: BTreeMap<String, String>,
    /// The method and the segments of the path of each request.
    requested: BTreeSet<(String, Vec<String>)>,
}

impl Shapes {
    /// Sends a request, and records it with its answer. On a busy machine an answer may be 503;
    /// then a repetition settles the request.
    async fn add(&mut self, what: &str, request: impl Fn() -> RequestBuilder) -> Value {
        let is_settled = |status: StatusCode, _: &Value| status != StatusCode::SERVICE_UNAVAILABLE;
        self.add_when(what, request, is_settled).await
    }

    /// Sends a request until its answer is the expected one, and records both.
    async fn add_when(
        &mut self,
        what: &str,
        request: impl Fn() -> RequestBuilder,
        is_expected: impl Fn(StatusCode, &Value) -> bool,
    ) -> Value {
        let (method, url, (status, headers), body) = eventually(what, async || {
            let (client, request) = request().build_split();
            let request = request.unwrap();
            let (method, url) = (request.method().to_string(), request.url().clone());
            let answer = client.execute(request).await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            is_expected(status, &body).then_some((method, url, (status, headers), body))
        })
        .await;
        let text = self.texts.entry(name_of(&url)).or_default();
        writeln!(text, "# {what}\n{method} {}\n{}", path_of(&url), status.as_u16()).unwrap();
        self.requested.insert((method, segments(url.path())));
        for name in HEADERS {
            for value in headers.get_all(name) {
                let value = string(name, value.to_str().unwrap());
                writeln!(text, "{name}: {value}").unwrap();
            }
        }
        if !body.is_null() {
            writeln!(text, "\n{:#}", shape("", &body)).unwrap();
        }
        text.push('\n');
        body
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

/// The name of a URL's snapshot, such as `v1_orders_id_cancel`.
fn name_of(url: &Url) -> String {
    let path = path_of(url).replace("[uuid]", "id");
    let path = path.split('?').next().unwrap();
    let words = path.split(['/', '.', '-']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
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
        "email" | "requested_email" => "[address]".to_owned(),
        "kid" | "x" => "[key]".to_owned(),
        "source" => "[network]".to_owned(),
        "instance" => "[request]".to_owned(),
        "retry-after" => "[seconds]".to_owned(),
        "location" => path_of(&Url::parse("http://host").unwrap().join(text).unwrap()),
        _ if Uuid::parse_str(text).is_ok() => "[uuid]".to_owned(),
        _ if is_time => "[time]".to_owned(),
        _ => text.to_owned(),
    }
}

/// Waits until the order has so many notifications; after that nothing of it changes.
async fn until_notified(user: &User, order_id: &str, notifications: usize) {
    eventually("the user is notified", async || {
        let order = user.read(order_id).send().await.unwrap();
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

/// Guesses a password until the answer is to wait.
async fn guesses(shapes: &mut Shapes, app: &App) {
    let visitor = Visitor::new(app);
    let guess = json!({"email": new_email("shapes-guess"), "password": "another-password"});
    let guess = || visitor.request(Method::POST, "/v1/users/login").json(&guess);
    let has_to_wait = |_, body: &Value| body["status"] == 429;
    shapes.add_when("there were too many wrong passwords", guess, has_to_wait).await;
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
    let first = shapes.add("an order is created", || user.order_under("first", &order)).await;
    let order_id = text(&first["order_id"]);
    until_notified(user, &order_id, 2).await;
    let other = json!({"items": [{"product_id": 2, "quantity": 1}]});
    shapes.add("its key comes with another order", || user.order_under("first", &other)).await;
    let unknown = json!({"items": [{"product_id": 999_999, "quantity": 1}]});
    shapes.add("a product is unknown", || user.order_under("unknown", &unknown)).await;
    let wrong = json!({"items": [{"product_id": 0, "quantity": "two"}], "discount": 1});
    shapes.add("three members are wrong", || user.order_under("wrong", &wrong)).await;
    shapes.add("an order is confirmed", || user.read(&order_id)).await;
    let second = || user.order_under("second", &other);
    let second = shapes.add("a second order is created", second).await;
    until_notified(user, &text(&second["order_id"]), 2).await;
    let page = format!("{orders}?limit=1");
    let page = shapes.add("orders are listed", || user.request(Method::GET, &page)).await;
    let cursor = text(&page["next_cursor"]);
    let next = format!("{orders}?limit=1&status=CONFIRMED&cursor={cursor}");
    shapes.add("the cursor is of another list", || user.request(Method::GET, &next)).await;
    shapes.add("an order is cancelled", || user.cancel(&order_id)).await;
    let missing = Uuid::nil().to_string();
    shapes.add("an order is unknown", || user.read(&missing)).await;
    let products = || user.anonymous(Method::GET, "/v1/products?limit=1");
    shapes.add("products are listed", products).await;
}

async fn refused_orders(shapes: &mut Shapes, user: &User) {
    let orders = "/v1/orders";
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
    let order = order_of(1, 1);
    shapes.add("the key has a space", || user.order_under("two words", &order)).await;
    let strangers = json!({"user_id": 124, "items": [{"product_id": 1, "quantity": 1}]});
    shapes.add("the body names another user", || user.order(&strangers)).await;
    let long = json!({"items": "x".repeat(65 * 1024)});
    shapes.add("the body is too long", || user.order(&long)).await;
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

/// The answers of a system that sends mails, and one of it without its table.
async fn mails(shapes: &mut Shapes) {
    let (app, mailbox) = own_system().await;
    let (email, other) = (new_email("shapes-mail"), new_email("shapes-mail"));
    let user = Visitor::new(&app).with_account(&email).await;
    let me = "/v1/users/me";
    let confirmation = || user.request(Method::POST, "/v1/users/me/email-confirmation");
    shapes.add("a mail is asked for", confirmation).await;
    let change = json!({"email": other, "current_password": PASSWORD});
    let change = || user.request(Method::PUT, "/v1/users/me/email").json(&change);
    shapes.add("another address is asked for", change).await;
    shapes.add("the account shows the other address", || user.request(Method::GET, me)).await;
    let post = |path: &str, body: Value| user.anonymous(Method::POST, path).json(&body);
    let confirm = |token: &str| post("/v1/email-confirmations", json!({"token": token}));
    let reset = |token: &str| {
        let body = json!({"token": token, "new_password": "another-canary-of-good-length"});
        post("/v1/password-resets/confirm", body)
    };
    shapes.add("a mailed token is wrong", || confirm("unknown")).await;
    shapes.add("a mailed token is wrong", || reset("unknown")).await;
    let changing = token(&mailbox, &other, "new e-mail").await;
    shapes.add("the address is confirmed", || confirm(&changing)).await;
    let forgotten = || post("/v1/password-resets", json!({"email": other}));
    shapes.add("a password is forgotten", forgotten).await;
    let resetting = token(&mailbox, &other, "new password").await;
    shapes.add("the password is reset", || reset(&resetting)).await;
    let proxies = app.system.proxies.as_ref().unwrap();
    proxies.of_function("user-account").unwrap().table.refuse().await.unwrap();
    let is_away = |_, body: &Value| body["status"] == 503;
    shapes.add_when("the table is away", || user.request(Method::GET, me), is_away).await;
    app.system.stop().await;
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

/// The kinds of problems that are in no snapshot.
fn missing_kinds(shapes: &Shapes) -> Vec<ProblemKind> {
    let is_shown = |kind: &ProblemKind| {
        let member = format!("\"type\": \"{}\"", kind.urn());
        shapes.texts.values().any(|text| text.contains(&member))
    };
    ProblemKind::ALL.into_iter().filter(|kind| !is_shown(kind)).collect()
}

/// The names of the stored snapshots.
fn stored() -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join("tests/api/snapshots")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let name =
        |file: String| Some(file.strip_prefix("api__shapes__")?.strip_suffix(".snap")?.to_owned());
    files.filter_map(name).collect()
}

#[test]
fn each_answer_has_the_shape_that_clients_know() {
    with_app(async |app| {
        let mut shapes = Shapes::default();
        let get = |path: &'static str| move || app.anonymous(Method::GET, path);
        shapes.add("the service is alive", get("/health")).await;
        // While an event of another test is late, health says so.
        let is_ready = |_, body: &Value| body["status"] == "ready";
        shapes.add_when("the service is ready", get("/health/ready"), is_ready).await;
        shapes.add("the API is not shown, because ApiDocs is off", get("/docs")).await;
        shapes.add("its files are not served", get("/docs/openapi.yaml")).await;
        shapes.add("the keys are fetched", get("/.well-known/jwks.json")).await;
        shapes.add("there is no such route", get("/v1/nowhere")).await;
        let user = registers(&mut shapes, app).await;
        guesses(&mut shapes, app).await;
        orders(&mut shapes, &user).await;
        refused_orders(&mut shapes, &user).await;
        account(&mut shapes, &user).await;
        mails(&mut shapes).await;
        assert_eq!(missing(&shapes, app), [], "these routes have no request here");
        // No request makes a whole system answer 500. `a_fault_of_ours_names_its_request_alone` in
        // `shared/web/src/problem.rs` shows the shape of that answer.
        assert_eq!(missing_kinds(&shapes), [ProblemKind::Internal]);
        for (name, text) in &shapes.texts {
            insta::assert_snapshot!(name.as_str(), text);
        }
        let names: BTreeSet<_> = shapes.texts.into_keys().collect();
        assert_eq!(stored(), names, "the stored snapshots, and the requested URLs");
    });
}
