//! What operators do about events, by the command they do it with.

use std::convert::Infallible;
use std::process::Output;

use aws_sdk_dynamodb::types::AttributeValue;
use harness::redelivery::deliver_in_vain;
use serde_json::Value;
use tokio::process::Command;

use crate::app::{App, Item, PATIENCE, eventually, options, text, with_own};

/// How often event-consumer has an event delivered before it gives it up.
const ATTEMPTS_MAX: u32 = 16;

/// The demo user's partition.
const USER: &str = "USER#123";

impl App {
    /// Runs `cargo xtask ops` on this system's events table.
    async fn ops(&self, arguments: &[&str]) -> Output {
        let table = self.system.names.table("EventsTable").unwrap();
        Command::new(options().binaries.join("xtask"))
            .args(["ops"])
            .args(arguments)
            .args(["--table", &self.system.endpoints.table_url, "--events-table", table])
            .output()
            .await
            .expect("xtask is built as the functions are, by `cargo build --workspace`")
    }

    /// The same with this system's cluster.
    async fn ops_on_cluster(&self, arguments: &[&str]) -> Output {
        let names = &self.system.names;
        let cluster = [
            "--namesrv",
            &self.system.endpoints.namesrv,
            "--group-prefix",
            &names.group_prefix,
            "--topic",
            &names.topic,
            "--user-topic",
            &names.user_topic,
        ];
        self.ops(&[arguments, &cluster].concat()).await
    }

    /// What a command tells in JSON.
    async fn told(&self, arguments: &[&str]) -> Value {
        let output = self.ops(arguments).await;
        assert_eq!(code(&output), 0, "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Overwrites what an order's customer was told, whatever it is overwritten with.
    async fn set_notifications(&self, order_id: &str, value: AttributeValue) {
        let client = dynamodb::connect_to(&self.system.endpoints.table_url);
        client
            .update_item()
            .table_name(self.system.names.table("OrdersTable").unwrap())
            .key("pk", AttributeValue::S(USER.to_owned()))
            .key("sk", AttributeValue::S(format!("ORDER#{order_id}")))
            .update_expression("SET notifications = :value")
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }

    async fn stored_order(&self, order_id: &str) -> Item {
        let sort_key = format!("ORDER#{order_id}");
        self.item("OrdersTable", &[("pk", USER), ("sk", &sort_key)]).await.unwrap()
    }

    /// Lets event-consumer consume, window after window.
    async fn consume(&self) -> Infallible {
        loop {
            let window = r#"{"window_seconds": 30}"#;
            self.system.host.invoke("event-consumer", window).await.unwrap();
        }
    }

    /// How many copies of an event are on the topic.
    async fn copies(&self, event_id: &str) -> usize {
        let messages = self.topic().await;
        let of_event = |properties: &std::collections::HashMap<String, String>| {
            properties.get("event_id").is_some_and(|id| id == event_id)
        };
        messages.iter().filter(|message| of_event(&message.properties)).count()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The letter of the order's event, once it is there.
async fn letter(app: &App) -> Value {
    eventually("the event is given up and listed", async || {
        let told = app.told(&["dead-letters", "list", "--json", "--handler", "notification"]).await;
        let letters = told.as_array().unwrap();
        letters.iter().find(|letter| letter["event_type"] == "OrderCreated").cloned()
    })
    .await
}

async fn an_operator_redrives(app: &App, order_id: &str, stock: i64) {
    let letter = letter(app).await;
    assert_eq!((&letter["attempts"], &letter["subject"]), (&16.into(), &order_id.into()));
    assert!(text(&letter["reason"]).contains("the call is at fault"), "{letter}");
    assert_eq!(app.stock(1).await, stock, "inventory has done its part");
    let id = text(&letter["id"]);

    let shown = app.told(&["dead-letters", "show", &id, "--json"]).await;
    assert_eq!(shown["redrivable"], true, "{shown}");
    let event: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(event["id"], id.as_str());
    for unconfirmed in
        [vec!["dead-letters", "discard", &id], vec!["dead-letters", "redrive", "--all"]]
    {
        assert_eq!(code(&app.ops(&unconfirmed).await), 2, "{unconfirmed:?}");
    }

    app.set_notifications(order_id, AttributeValue::L(Vec::new())).await;
    let redriven = app.ops_on_cluster(&["dead-letters", "redrive", &id]).await;
    assert_eq!(code(&redriven), 0, "{redriven:?}");
    let told = String::from_utf8(redriven.stdout).unwrap();
    assert_eq!(told.trim_end(), format!("{id} redriven: it is on its topic"));
    assert_eq!(code(&app.ops(&["dead-letters", "redrive", &id]).await), 1, "it is gone");

    eventually("the customer is told of both events", async || {
        let order = app.order(order_id).await;
        let mut told: Vec<_> =
            order["notifications"].as_array()?.iter().map(|told| text(&told["type"])).collect();
        told.sort();
        (told == ["OrderConfirmed", "OrderCreated"]).then_some(())
    })
    .await;
    assert_eq!(app.stock(1).await, stock, "a handler that has done its part does not do it again");
    assert_eq!(app.copies(&id).await, 2);
    eventually("no order's event waits for its observation", async || {
        let pending = app.told(&["events", "pending", "--json"]).await;
        // No sweep runs here that would publish what users did.
        let of_users = |event: &Value| text(&event["event_type"]).starts_with("User");
        pending.as_array().unwrap().iter().all(of_users).then_some(())
    })
    .await;

    let republish = ["events", "republish", &id];
    assert_eq!(code(&app.ops_on_cluster(&republish).await), 2, "it lacks its --yes");
    let republished = app.ops_on_cluster(&[&republish[..], &["--yes"]].concat()).await;
    assert_eq!(code(&republished), 0, "{republished:?}");
    assert_eq!(app.copies(&id).await, 3);
}

/// What can't be decoded is listed and not redriven, but discarded.
async fn an_operator_discards(app: &App) {
    let id = crate::garbage::publish_garbage(app).await;
    eventually("it is listed", async || {
        let told = app.told(&["dead-letters", "list", "--json", "--reason", "CloudEvent"]).await;
        told.as_array().unwrap().iter().any(|letter| letter["id"] == id.as_str()).then_some(())
    })
    .await;
    let shown = app.ops(&["dead-letters", "show", &id]).await;
    let told = String::from_utf8(shown.stdout).unwrap();
    assert!(told.ends_with("\n\nthis is no event\n"), "{told}");
    assert!(told.contains("refused: it can't be decoded"), "{told}");
    assert_eq!(code(&app.ops(&["dead-letters", "redrive", &id]).await), 1);
    let discarded = app.ops(&["dead-letters", "discard", &id, "--yes"]).await;
    assert_eq!(code(&discarded), 0, "{discarded:?}");
    assert_eq!(code(&app.ops(&["dead-letters", "show", &id]).await), 1, "it is gone");
}

#[test]
fn what_failed_sixteen_times_is_redriven_and_done_once_and_what_is_no_event_is_discarded() {
    with_own(async || {
        let mut options = options();
        options.schedules = false;
        let app = App::start(options).await;
        let before = app.stock(1).await;
        let order_id = app.place(1, 2).await;
        // Nothing can be added to what is no list.
        app.set_notifications(&order_id, AttributeValue::S("damaged".to_owned())).await;
        // The next delivery is the last that event-consumer grants it.
        let (endpoints, names) = (&app.system.endpoints, &app.system.names);
        deliver_in_vain(endpoints, names, ATTEMPTS_MAX - 1, PATIENCE).await.unwrap();
        let operator = async {
            an_operator_redrives(&app, &order_id, before - 2).await;
            an_operator_discards(&app).await;
        };
        tokio::select! {
            never = app.consume() => match never {},
            () = operator => {}
        }
        let order = app.stored_order(&order_id).await;
        assert_eq!(order["notifications"].as_l().unwrap().len(), 2);
        app.system.stop().await;
    });
}
