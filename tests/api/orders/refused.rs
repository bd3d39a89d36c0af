//! Requests that create no order: each answer names the fault, and no request leaves a trace.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::timestamp::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{App, Item, eventually, json_of, options, problem, text, with_app, with_own};

struct Case {
    body: String,
    status: u16,
    slug: &'static str,
    /// The JSON pointer of the first fault, if the answer lists faults.
    pointer: Option<&'static str>,
}

fn case(body: impl Into<String>, status: u16, slug: &'static str) -> Case {
    Case { body: body.into(), status, slug, pointer: None }
}

fn invalid(body: Value, pointer: &'static str) -> Case {
    let pointer = Some(pointer);
    Case { body: body.to_string(), status: 422, slug: "validation", pointer }
}

fn cases() -> Vec<Case> {
    let item = |quantity: Value| json!({"items": [{"product_id": 1, "quantity": quantity}]});
    let lines = |count: usize| {
        let line = json!({"product_id": 1, "quantity": 1});
        json!({"items": vec![line; count]})
    };
    vec![
        case("", 400, "malformed-json"),
        case("{\"items\": [", 400, "malformed-json"),
        case("[".repeat(10_000), 422, "validation"),
        case(format!("{{\"items\": [{}", "{\"product_id\": ".repeat(1_000)), 422, "validation"),
        invalid(json!({}), "#"),
        invalid(json!([]), "#"),
        invalid(json!({"items": "two"}), "#/items"),
        invalid(json!({"items": [{"product_id": "1", "quantity": 1}]}), "#/items/0/product_id"),
        invalid(json!({"items": [{"product_id": 1}]}), "#/items/0"),
        invalid(json!({"items": [], "price": 1}), "#/price"),
        invalid(
            json!({"items": [{"product_id": 1, "quantity": 1, "unit_price": 1}]}),
            "#/items/0/unit_price",
        ),
        invalid(json!({"items": []}), "#/items"),
        invalid(lines(51), "#/items"),
        invalid(item(json!(0)), "#/items/0/quantity"),
        invalid(item(json!(1_000)), "#/items/0/quantity"),
        invalid(item(json!(1_000_000_000_000_u64)), "#/items/0/quantity"),
        invalid(item(json!(-1)), "#/items/0/quantity"),
        invalid(item(json!(1.5)), "#/items/0/quantity"),
        invalid(json!({"items": [{"product_id": 77, "quantity": 1}]}), "#/items/0/product_id"),
        invalid(
            json!({"items": [{"product_id": 9_007_199_254_740_992_u64, "quantity": 1}]}),
            "#/items/0/product_id",
        ),
        case(format!("{{\"items\": \"{}\"}}", "x".repeat(65 * 1024)), 413, "body-too-large"),
    ]
}

#[test]
fn a_bad_body_is_refused_and_leaves_no_trace() {
    // Nothing else writes to this system's tables and topic.
    with_own(async || {
        let app = App::start(options()).await;
        let before = Traces::of(&app).await;
        for case in cases() {
            let shown: String = case.body.chars().take(80).collect();
            let response = app
                .request(Method::POST, "/v1/orders")
                .header("content-type", "application/json")
                .body(case.body)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status().as_u16(), case.status, "{shown}");
            let problem = problem(response, case.status, case.slug).await;
            if let Some(pointer) = case.pointer {
                assert_eq!(problem["errors"][0]["pointer"], pointer, "{shown}: {problem}");
            }
        }
        let response = app
            .request(Method::POST, "/v1/orders")
            .header("content-type", "text/plain")
            .body("{}")
            .send()
            .await
            .unwrap();
        problem(response, 415, "unsupported-media-type").await;

        assert_eq!(Traces::of(&app).await, before);
        app.system.stop().await;
    });
}

/// The traces of requests. An order is one item, with its events and its attempt; a request without
/// an order may leave a tombstone.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    orders: usize,
    tombstones: usize,
    /// Of all accounts.
    open_units: u64,
    with_pending_events: usize,
    dead_letters: usize,
    stock: i64,
    messages: usize,
}

impl Traces {
    async fn of(app: &App) -> Self {
        let items = app.items("OrdersTable").await;
        let with = |name: &str| items.iter().filter(|item| item.contains_key(name)).count();
        let letters = app.items("DeadLettersTable").await;
        let is_letter = |item: &&Item| item["pk"].as_s().unwrap().starts_with("DEAD#");
        let known = with("attempt") + with("fenced") + with("units");
        assert_eq!(known, items.len(), "the table holds something else");
        Self {
            orders: with("attempt"),
            tombstones: with("fenced"),
            open_units: items.iter().filter_map(|item| item.get("units")).map(number_of).sum(),
            with_pending_events: with("shard"),
            dead_letters: letters.iter().filter(is_letter).count(),
            stock: app.stock(1).await,
            messages: app.topic().await.len(),
        }
    }
}

#[test]
fn a_request_that_is_not_allowed_or_leads_nowhere_leaves_no_trace() {
    with_own(async || {
        let app = App::start(options()).await;
        let order = |quantity: u64| json!({"items": [{"product_id": 1, "quantity": quantity}]});
        let keyed = |quantity, key: &str| {
            app.post_order(&order(quantity)).header("idempotency-key", key.to_owned())
        };
        // One order, so that a key has been used.
        let order_id = eventually("an order is created", async || {
            let response = keyed(1, "used").send().await.unwrap();
            (response.status() == 201).then_some(text(&json_of(response).await["order_id"]))
        })
        .await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        let before = eventually("both of its events are handled", async || {
            let is_handled = |traces: &Traces| traces.with_pending_events == 0;
            Some(Traces::of(&app).await).filter(is_handled)
        })
        .await;

        let now = crate::users::login::now().as_millis();
        let expired =
            crate::users::login::token_of(&app, 123, Timestamp::from_millis(now - 3_600_000));
        let forged = format!("{}x", app.token());
        let anonymous = || app.anonymous(Method::POST, "/v1/orders").json(&order(1));
        problem(anonymous().send().await.unwrap(), 401, "unauthorized").await;
        for token in [expired.await, forged, "a.b.c".to_owned(), String::new()] {
            let request = anonymous().header("authorization", format!("Bearer {token}"));
            problem(request.send().await.unwrap(), 401, "unauthorized").await;
        }
        let another = json!({"user_id": 124, "items": order(1)["items"]});
        problem(app.post_order(&another).send().await.unwrap(), 403, "forbidden").await;
        for key in ["", "two words", &"k".repeat(256)] {
            problem(keyed(1, key).send().await.unwrap(), 400, "invalid-header").await;
        }
        problem(keyed(2, "used").send().await.unwrap(), 422, "idempotency-key-reused").await;
        for (method, path, status, slug) in [
            (Method::POST, "/v2/orders", 404, "not-found"),
            (Method::PUT, "/v1/orders", 405, "method-not-allowed"),
            (Method::DELETE, "/v1/orders", 405, "method-not-allowed"),
        ] {
            let response = app.request(method, path).json(&order(1)).send().await.unwrap();
            problem(response, status, slug).await;
        }

        assert_eq!(before.messages, 2);
        assert_eq!(Traces::of(&app).await, before);
        app.system.stop().await;
    });
}

/// How much more memory a process may use for bodies that it has refused before: only the gaps of
/// its allocator.
const MORE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[test]
fn heavy_bodies_are_refused_and_memory_stays_flat() {
    with_own(async || {
        let app = App::start(options()).await;
        app.create_order(1, 1).await;
        let peak = || {
            let instances = app.system.host.instances("create-order").unwrap();
            instances.iter().filter_map(|one| harness::memory::peak(one.pid)).max().unwrap()
        };
        let line = json!({"product_id": 1, "quantity": 1});
        let member = "\"quantity\": 1,".repeat(4_000);
        let heavy = [
            ("10 MiB", "x".repeat(10 * 1024 * 1024), 413),
            ("100,000 lines", json!({"items": vec![line; 100_000]}).to_string(), 413),
            ("depth 10,000", "[".repeat(10_000), 422),
            (
                "a member 4,000 times",
                format!("{{\"items\": [{{{member} \"product_id\": 1}}]}}"),
                422,
            ),
            ("no number", "{\"items\": [{\"product_id\": 1, \"quantity\": NaN}]}".to_owned(), 400),
            ("infinity", "{\"items\": [{\"product_id\": 1, \"quantity\": 1e422}]}".to_owned(), 422),
            ("-0", "{\"items\": [{\"product_id\": 1, \"quantity\": -0}]}".to_owned(), 422),
        ];
        let mut peaks = Vec::new();
        for _ in 0..4 {
            for (what, body, status) in &heavy {
                let request = app.request(Method::POST, "/v1/orders");
                let request = request.header("content-type", "application/json");
                let response = request.body(body.clone()).send().await.unwrap();
                assert_eq!(response.status().as_u16(), *status, "{what}");
            }
            peaks.push(peak());
        }
        // After the second round the allocator's gaps are large enough.
        assert!(peaks[3] - peaks[1] < MORE_BYTES_MAX, "{peaks:?} bytes");
        let functions = &app.system.template.functions;
        let memory_mib =
            functions.iter().find(|one| one.name == "create-order").unwrap().memory_mib;
        assert!(peaks[3] < u64::from(memory_mib) * 1024 * 1024 / 2, "{peaks:?} bytes");
        app.system.stop().await;
    });
}

#[test]
fn every_unknown_product_is_named_by_its_position() {
    with_app(async |app| {
        let body = json!({"items": [
            {"product_id": 77, "quantity": 1}, {"product_id": 1, "quantity": 1},
            {"product_id": 78, "quantity": 1}, {"product_id": 77, "quantity": 1},
        ]});
        let response = app.post_order(&body).send().await.unwrap();
        let problem = problem(response, 422, "validation").await;
        let pointers: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|fault| &fault["pointer"]).collect();
        assert_eq!(
            pointers,
            ["#/items/0/product_id", "#/items/2/product_id", "#/items/3/product_id"]
        );
    });
}

#[test]
fn an_event_that_cannot_be_decoded_goes_to_the_dead_letters_and_blocks_nobody() {
    with_app(async |app| {
        let message_id = crate::garbage::publish_garbage(app).await;
        let order_id = app.create_order(10, 1).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        let key = format!("DEAD#{message_id}");
        let letter = eventually("the dead letter is stored", async || {
            app.item("DeadLettersTable", &[("pk", &key)]).await
        })
        .await;
        assert!(letter["reason"].as_s().unwrap().contains("not a CloudEvent"), "{letter:?}");
    });
}

fn number_of(value: &AttributeValue) -> u64 {
    value.as_n().unwrap().parse().unwrap()
}
