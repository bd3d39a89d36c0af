//! Processes that die at the worst moment. The proxy before the table stops a call where the fault is
//! to strike, so that the window is hit and not hoped for.

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{HalfMessage, OutboundMessage, Resolution, Topic, TransactionalPublisher};
use contracts::event::EventType;
use domain::identity::{EventId, TransactionId};
use harness::provision::rocketmq_config;
use harness::system::SystemOptions;
use harness::table::EmbeddedTable;
use harness::table_proxy::{HeldCall, HoldPoint, TableProxy};
use rocketmq::publisher::RocketmqPublisher;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, eventually, options, text, with_own};

/// A system whose create-order speaks to the table through a proxy.
async fn start() -> (App, TableProxy, EmbeddedTable) {
    let table = EmbeddedTable::start(0, None).await.unwrap();
    let proxy = TableProxy::start(&table.url()).await.unwrap();
    let mut options: SystemOptions = options();
    options.table = Some(table.url());
    let endpoint = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), proxy.url());
    options.function_environment.insert("create-order".to_owned(), [endpoint].into());
    (App::start(options).await, proxy, table)
}

/// Places an order and kills create-order when its transaction is stopped at `point`.
async fn kill_at(app: &App, proxy: &TableProxy, point: HoldPoint) -> HeldCall {
    let hold = proxy.hold_next("TransactWriteItems", point);
    let body = json!({"items": [{"product_id": 1, "quantity": 1}]});
    let placing = app.post_order(&body).send();
    let killing = async {
        let held = hold.seen().await.unwrap();
        let instances = app.system.host.instances("create-order").unwrap();
        let busy: Vec<_> = instances.iter().filter(|instance| instance.busy).collect();
        assert_eq!(busy.len(), 1, "the process that is stopped is the one that dies");
        app.system.host.kill_instance("create-order", busy[0].pid).unwrap();
        held
    };
    let (response, held) = tokio::join!(placing, killing);
    assert_eq!(response.unwrap().status(), 500, "the process died before it answered");
    held
}

/// The key of the item of a kind that a transaction was to write, such as `EVENT#…`.
fn key_of(held: &HeldCall, kind: &str) -> (String, Option<String>) {
    let items = held.body["TransactItems"].as_array().unwrap();
    let item = |entry: &Value| entry["Put"]["Item"].clone();
    let found = items.iter().map(item).find(|item| {
        [&item["pk"]["S"], &item["sk"]["S"]]
            .iter()
            .any(|part| part.as_str().is_some_and(|part| part.starts_with(kind)))
    });
    let found = found.unwrap();
    (text(&found["pk"]["S"]), found["sk"]["S"].as_str().map(ToOwned::to_owned))
}

#[test]
fn an_order_whose_process_dies_before_the_end_still_has_its_event() {
    with_own(async || {
        let (app, proxy, table) = start().await;
        let held = kill_at(&app, &proxy, HoldPoint::Response).await;
        let (_, sort_key) = key_of(&held, "ORDER#");
        let order_id = sort_key.unwrap().replace("ORDER#", "");
        assert_eq!(app.order(&order_id).await["status"], "CREATED");
        // Nobody ended the half message: only a check-back can make its event visible.
        app.wait_for_status(&order_id, "CONFIRMED").await;
        let events = app.events_of("OrderCreated").await;
        assert_eq!(events.iter().filter(|event| event["subject"] == order_id).count(), 1);
        app.system.stop().await;
        table.stop().await;
    });
}

#[test]
fn an_order_whose_process_dies_before_the_transaction_leaves_nothing() {
    with_own(async || {
        let (app, proxy, table) = start().await;
        let held = kill_at(&app, &proxy, HoldPoint::Request).await;
        let (order, sort_key) = key_of(&held, "ORDER#");
        let (event, _) = key_of(&held, "EVENT#");
        let (transaction, _) = key_of(&held, "TXN#");
        let state = eventually("a check-back fences the attempt", async || {
            app.item("EventsTable", &[("pk", &transaction)]).await
        })
        .await;
        assert_eq!(state["state"].as_s().unwrap(), "FENCED");

        // Even when the stopped call reaches the table now, the fence holds it off.
        held.release();
        let next = app.place(2, 1).await;
        app.wait_for_status(&next, "CONFIRMED").await;
        let sort_key = sort_key.unwrap();
        let order_key = [("pk", order.as_str()), ("sk", sort_key.as_str())];
        assert_eq!(app.item("OrdersTable", &order_key).await, None);
        assert_eq!(app.item("EventsTable", &[("pk", &event)]).await, None);
        let order_id = sort_key.replace("ORDER#", "");
        let told = app.topic().await;
        assert!(told.iter().all(|message| !message.keys.contains(&order_id)));
        app.system.stop().await;
        table.stop().await;
    });
}

/// Puts a message on the order topic whose body is no event, and returns the id under which it is
/// buried.
pub(crate) async fn publish_garbage(app: &App) -> String {
    struct Wall;
    impl application::ports::Clock for Wall {
        fn now(&self) -> domain::instant::Instant {
            crate::login::now()
        }
    }
    let config = rocketmq_config(&app.system.endpoints, &app.system.names).unwrap();
    let publisher = RocketmqPublisher::start(config, Wall).await.unwrap();
    let event_id = EventId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    let message = OutboundMessage {
        topic: Topic::Orders,
        event_id,
        event_type: EventType::OrderCreated,
        subject: "garbage".to_owned(),
        aggregate_version: 1,
        body: "this is no event".to_owned(),
        traceparent: None,
    };
    let half = HalfMessage {
        message: &message,
        transaction_id: TransactionId::new(*event_id.as_uuid()),
        deadline: crate::login::now(),
        check_immunity: Duration::from_secs(60),
    };
    let within = Deadline::after(Duration::from_secs(5));
    let receipt = publisher.prepare(&half, within).await.unwrap();
    publisher.end(&receipt, Resolution::Commit, within).await.unwrap();
    publisher.shutdown().await;
    event_id.to_string()
}
