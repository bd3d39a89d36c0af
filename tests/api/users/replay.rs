//! An empty cluster is filled again from the tables.

use std::collections::{BTreeMap, BTreeSet};

use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use dynamodb::administration::put_products;
use dynamodb::config::{CatalogTable, TableName};
use harness::provision::create_topics;
use harness::remoting::code;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Visitor, new_email};
use crate::app::{App, Item, eventually, json_of, options, text, with_own};

/// Has so few units that an order of it is rejected.
const SCARCE: u64 = 911;

/// By id, as they were sent. Copies of one event must have the same bytes.
async fn on_the_topics(app: &App) -> BTreeMap<String, Vec<u8>> {
    let mut events: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for message in [app.topic().await, app.user_topic().await].concat() {
        let event: Value = serde_json::from_slice(&message.body).unwrap();
        let known = events.entry(text(&event["id"])).or_insert_with(|| message.body.clone());
        assert_eq!(*known, message.body, "a copy is other bytes");
    }
    events
}

/// The ids, which are all that another team's subscriber stores of events.
fn ids(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| text(&event["id"])).collect()
}

async fn nothing_is_pending(app: &App) {
    let has_pending = |item: &Item| {
        let pending = item.get("pending").and_then(|pending| pending.as_m().ok());
        pending.is_some_and(|events| !events.is_empty())
    };
    eventually("nothing is pending", async || {
        for table in ["OrdersTable", "UsersTable"] {
            if app.items(table).await.iter().any(has_pending) {
                return None;
            }
        }
        Some(())
    })
    .await;
}

async fn order(app: &App, visitor: &Visitor, token: &str, product_id: u64, key: &str) -> Value {
    let body = json!({"items": [{"product_id": product_id, "quantity": 2}]});
    eventually("an order is created", async || {
        let request = visitor.request(Method::POST, "/v1/orders").bearer_auth(token).json(&body);
        let response = request.header("idempotency-key", key).send().await.unwrap();
        match response.status().as_u16() {
            201 => Some(json_of(response).await),
            503 => None,
            status => panic!("{status}: {} of {}", json_of(response).await, app.system.api_url),
        }
    })
    .await
}

async fn becomes(visitor: &Visitor, token: &str, order: &Value, status: &str) {
    let path = format!("/v1/orders/{}", text(&order["order_id"]));
    eventually(status, async || {
        let order = json_of(visitor.get(&path, token).await).await;
        (order["status"] == status).then_some(())
    })
    .await;
}

async fn cancel(visitor: &Visitor, token: &str, order: &Value) {
    let path = format!("/v1/orders/{}/cancel", text(&order["order_id"]));
    eventually("it is cancelled", async || {
        let request = visitor.request(Method::POST, &path).bearer_auth(token);
        (request.send().await.unwrap().status() == 200).then_some(())
    })
    .await;
}

/// A user, and the order that was cancelled.
struct User {
    user_id: u64,
    cancelled: String,
}

/// A user registers, logs in, and has three orders: one is cancelled once it is confirmed, one is
/// rejected, and one stays confirmed.
async fn live(app: &App, name: &str) -> User {
    let visitor = Visitor::new(app);
    let email = new_email(name);
    let user_id = visitor.register(&email).await;
    let token = visitor.log_in(&email).await.access;
    let cancelled = order(app, &visitor, &token, 1, "cancelled").await;
    becomes(&visitor, &token, &cancelled, "CONFIRMED").await;
    cancel(&visitor, &token, &cancelled).await;
    let rejected = order(app, &visitor, &token, SCARCE, "rejected").await;
    let confirmed = order(app, &visitor, &token, 2, "confirmed").await;
    becomes(&visitor, &token, &rejected, "REJECTED").await;
    becomes(&visitor, &token, &confirmed, "CONFIRMED").await;
    User { user_id, cancelled: text(&cancelled["order_id"]) }
}

/// The stock of the products that are ordered here.
async fn stocks(app: &App) -> [i64; 3] {
    [app.stock(1).await, app.stock(2).await, app.stock(SCARCE).await]
}

/// Deliveries that event-consumer has handled and acknowledged.
fn acknowledged(app: &App) -> u64 {
    let proxies = app.system.proxies.as_ref().unwrap();
    proxies.of_function("event-consumer").unwrap().broker.passed_on(code::ACK_MESSAGE)
}

async fn replay(app: &App, arguments: &[&str]) -> String {
    let replayed = app.ops_on_cluster(&[&["events", "replay"], arguments].concat()).await;
    assert!(replayed.status.success(), "{replayed:?}");
    String::from_utf8(replayed.stdout).unwrap()
}

/// Those of the events that belong to an order or a user.
fn those(events: &BTreeMap<String, Vec<u8>>, is: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let decoded = events.values().map(|body| serde_json::from_slice::<Value>(body).unwrap());
    decoded.filter(|event| is(event)).map(|event| text(&event["id"])).collect()
}

async fn ids_on_the_topics(app: &App) -> BTreeSet<String> {
    on_the_topics(app).await.into_keys().collect()
}

/// On empty topics, the events of one order, one event, and those of one user are sent again, the
/// first two by their own ids alone.
async fn replay_some(app: &App, lost: &BTreeMap<String, Vec<u8>>, user: &User) {
    let handled = acknowledged(app);
    let of_user = |event: &Value| event["data"]["user_id"] == user.user_id;
    let is_login = |event: &Value| text(&event["type"]).contains("UserLoggedIn");
    let of_order = those(lost, |event| event["data"]["order_id"] == user.cancelled.as_str());
    let login = those(lost, |event| of_user(event) && is_login(event));
    let of_user = those(lost, of_user);
    assert_eq!((of_order.len(), login.len(), of_user.len()), (3, 1, 1 + 1 + 7));

    let planned = replay(app, &["--order", &user.cancelled, "--dry-run"]).await;
    assert_eq!(planned.lines().count(), 3, "{planned}");
    assert!(of_order.iter().all(|id| planned.contains(id)), "{planned}");
    assert_eq!(ids_on_the_topics(app).await, BTreeSet::new(), "a dry run sends nothing");
    replay(app, &["--order", &user.cancelled]).await;
    assert_eq!(ids_on_the_topics(app).await, of_order);
    let event_id = login.first().unwrap();
    replay(app, &["--event", event_id]).await;
    assert_eq!(ids_on_the_topics(app).await, &of_order | &login);
    let user_id = user.user_id.to_string();
    let sent = replay(app, &["--user", &user_id, "--rate", "1000"]).await;
    assert_eq!(sent.lines().filter(|line| line.ends_with(": sent")).count(), 9, "{sent}");
    assert_eq!(ids_on_the_topics(app).await, of_user);
    for unknown in ["--order", "--event"] {
        let arguments = ["events", "replay", unknown, "01890a5d-ac96-774b-bcce-b302099a8057"];
        let refused = app.ops_on_cluster(&arguments).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("not found; 0 aggregates can't be read"), "{said}");
    }
    eventually("event-consumer has acknowledged them", async || {
        (acknowledged(app) >= handled + 3 + 1 + 9).then_some(())
    })
    .await;
}

#[test]
fn an_empty_cluster_is_filled_from_the_tables_and_a_subscriber_finds_nothing_new() {
    with_own(async || {
        let mut app = App::start(options()).await;
        sell_scarce(&app).await;
        // Before the moment from which events are sent again.
        live(&app, "before").await;
        nothing_is_pending(&app).await;
        let earlier: BTreeSet<String> = on_the_topics(&app).await.into_keys().collect();
        let order_id = app.create_order(1, 1).await;
        app.wait_for_status(&order_id, "CONFIRMED").await;
        let since = text(&app.order(&order_id).await["created_at"]);
        live(&app, "first").await;
        let second = live(&app, "second").await;
        nothing_is_pending(&app).await;
        let mut lost = on_the_topics(&app).await;
        // Another team's subscriber has handled all of them.
        let all = lost.len();
        let known = ids(&app.consumed_by("team-before-", |events| ids(events).len() == all).await);
        lost.retain(|id, _| !earlier.contains(id));
        // Two orders of this user; and of two users the account, the session and three orders with
        // seven events.
        assert_eq!(lost.len(), 2 + 2 * (1 + 1 + 7), "{lost:?}");
        let in_stock = stocks(&app).await;

        let broker = app.system.broker.as_mut().unwrap();
        broker.lose_store().await.unwrap();
        broker.restart_broker().await.unwrap();
        create_topics(&app.system.endpoints, &app.system.names).await.unwrap();
        assert_eq!(on_the_topics(&app).await, BTreeMap::new());
        let planned = replay(&app, &["--since", &since, "--dry-run"]).await;
        assert!(planned.contains(&format!("{} events, 0 sent", lost.len())), "{planned}");
        assert_eq!(on_the_topics(&app).await, BTreeMap::new(), "a dry run sends nothing");

        replay_some(&app, &lost, &second).await;
        let before = acknowledged(&app);
        let sent = replay(&app, &["--since", &since, "--rate", "1000"]).await;
        assert!(sent.contains(&format!("{0} events, {0} sent", lost.len())), "{sent}");
        let again = on_the_topics(&app).await;
        assert_eq!(again, lost, "every event since then, byte for byte");
        let count = lost.len();
        let received = app.consumed_by("team-after-", |events| ids(events).len() == count).await;
        let received = ids(&received);
        let new: Vec<_> = received.difference(&known).collect();
        assert!(new.is_empty(), "the subscriber takes these as new: {new:?}");
        // Our own handlers are done with all of them too, and none had an effect again: neither
        // reservations nor cancels.
        eventually("event-consumer has handled every event again", async || {
            (acknowledged(&app) >= before + count as u64).then_some(())
        })
        .await;
        nothing_is_pending(&app).await;
        assert_eq!(stocks(&app).await, in_stock);
        app.system.stop().await;
    });
}

async fn sell_scarce(app: &App) {
    let product = Product {
        id: ProductId::new(SCARCE).unwrap(),
        name: "Nearly sold out".to_owned(),
        unit_price: Money::from_minor(100).unwrap(),
        stock: 1,
    };
    let name = TableName::parse(app.system.names.table("CatalogTable").unwrap()).unwrap();
    let tables = dynamodb::connect_to(&app.system.endpoints.table_url);
    put_products(&tables, &CatalogTable::named(name), &[product]).await.unwrap();
}
