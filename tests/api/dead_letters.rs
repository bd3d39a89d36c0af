//! Operators' work on events, through `cargo xtask ops`.

use std::convert::Infallible;
use std::process::Output;

use harness::failures::add_failures;
use harness::faults::{Point, Standing, Toxic};
use harness::order_calls::ends_alone;
use harness::proxies::FunctionProxies;
use harness::table_proxy::{TableAnswer, TableCall};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::process::Command;

use crate::app::{App, Item, eventually, options, text, with_own};

/// The failed deliveries after which event-consumer gives an event up.
const ATTEMPTS_MAX: u32 = 16;

const USER: &str = "USER#123";

impl App {
    /// Runs `cargo xtask ops` on this system's tables.
    async fn ops(&self, arguments: &[&str]) -> Output {
        let table = |id| self.system.names.table(id).unwrap();
        let orders = ["--orders-table", table("OrdersTable")];
        let users = ["--users-table", table("UsersTable")];
        let letters = ["--dead-letters-table", table("DeadLettersTable")];
        let tables = match arguments {
            ["events", ..] => [orders, users].concat(),
            ["dead-letters", "list", ..] => letters.to_vec(),
            _ => [orders, users, letters].concat(),
        };
        Command::new(options().binaries.join("xtask"))
            .args(["ops"])
            .args(arguments)
            .args(["--table", &self.system.endpoints.table_url])
            .args(tables)
            .output()
            .await
            .expect("xtask is built as the functions are, by `cargo build --workspace`")
    }

    /// Runs `cargo xtask ops` on this system's tables and cluster.
    pub(crate) async fn ops_on_cluster(&self, arguments: &[&str]) -> Output {
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

    /// The command must succeed. Returns the JSON that it printed.
    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ops(arguments).await;
        assert_eq!(code(&output), 0, "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn consumer_proxies(&self) -> &FunctionProxies {
        self.system.proxies.as_ref().unwrap().of_function("event-consumer").unwrap()
    }

    async fn stored_order(&self, order_id: &str) -> Item {
        let sort_key = format!("ORDER#{order_id}");
        self.item("OrdersTable", &[("pk", USER), ("sk", &sort_key)]).await.unwrap()
    }

    /// Runs one window of event-consumer after another.
    async fn consume(&self) -> Infallible {
        loop {
            let window = r#"{"window_seconds": 30}"#;
            self.system.host.invoke("event-consumer", window).await.unwrap();
        }
    }

    /// On the topic.
    async fn copies(&self, event_id: &str) -> usize {
        let messages = self.topic().await;
        let of_event = |properties: &std::collections::HashMap<String, String>| {
            properties.get("event_id").is_some_and(|id| id == event_id)
        };
        messages.iter().filter(|message| of_event(&message.properties)).count()
    }
}

/// As an operator lists them.
async fn pending(app: &App) -> Vec<Value> {
    let listed = app.json(&["events", "pending", "--json"]).await;
    let is_order = |event: &&Value| text(&event["aggregate"]).contains("/ORDER#");
    listed.as_array().unwrap().iter().filter(is_order).cloned().collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Of the order's `OrderConfirmed`, once the letter is stored.
async fn letter(app: &App) -> Value {
    eventually("the event is given up and listed", async || {
        let listed =
            app.json(&["dead-letters", "list", "--json", "--handler", "notification"]).await;
        let letters = listed.as_array().unwrap();
        letters.iter().find(|letter| letter["event_type"] == "OrderConfirmed").cloned()
    })
    .await
}

/// An event that nobody consumes yet is listed, and published again on request.
async fn an_operator_republishes(app: &App, order_id: &str) {
    let listed = pending(app).await;
    let aggregate = format!("{USER}/ORDER#{order_id}");
    assert_eq!((listed.len(), &listed[0]["aggregate"]), (1, &aggregate.as_str().into()));
    assert_eq!(listed[0]["event_type"], "OrderCreated");
    let id = text(&listed[0]["event_id"]);
    assert_eq!(app.copies(&id).await, 1);
    let republish = ["events", "republish", &aggregate, &id];
    assert_eq!(code(&app.ops_on_cluster(&republish).await), 2, "it lacks its --yes");
    let republished = app.ops_on_cluster(&[&republish[..], &["--yes"]].concat()).await;
    assert_eq!(code(&republished), 0, "{republished:?}");
    eventually("the second copy is on the topic", async || {
        (app.copies(&id).await == 2).then_some(())
    })
    .await;
    let again = pending(app).await;
    assert_ne!(again[0]["transaction_id"], listed[0]["transaction_id"], "{again:?}");
}

/// Waits until a delivery of the order's `OrderConfirmed` has failed, and then stores failures of
/// all other deliveries but the last.
async fn only_the_last_attempt_is_left(app: &App, order_id: &str) {
    let id = eventually("a delivery has failed", async || {
        let is_failing = |event: &&Value| event["failures"].as_u64().is_some_and(|n| n > 0);
        pending(app).await.iter().find(is_failing).map(|event| text(&event["event_id"]))
    })
    .await;
    let client = harness::table::client(&app.system.endpoints.table_url);
    let more = ATTEMPTS_MAX - 2;
    add_failures(&client, &app.system.names, order_id, &id, more).await.unwrap();
}

async fn an_operator_redrives(app: &App, order_id: &str, stock: i64, refused: Standing<TableCall>) {
    let letter = letter(app).await;
    assert_eq!((&letter["attempts"], &letter["subject"]), (&16.into(), &order_id.into()));
    assert_eq!(letter["expires_at"], Value::Null, "nothing else remembers that it is not handled");
    assert!(text(&letter["reason"]).contains("the call is invalid"), "{letter}");
    assert_eq!(app.stock(1).await, stock, "inventory has done its part");
    let id = text(&letter["id"]);
    assert!(pending(app).await.is_empty(), "an event that is given up is not pending");

    let shown = app.json(&["dead-letters", "show", &id, "--json"]).await;
    assert_eq!(shown["redrivable"], true, "{shown}");
    let event: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(event["id"], id.as_str());
    for unconfirmed in
        [vec!["dead-letters", "discard", &id], vec!["dead-letters", "redrive", "--all"]]
    {
        assert_eq!(code(&app.ops(&unconfirmed).await), 2, "{unconfirmed:?}");
    }

    drop(refused);
    let redriven = app.ops_on_cluster(&["dead-letters", "redrive", &id]).await;
    assert_eq!(code(&redriven), 0, "{redriven:?}");
    let printed = String::from_utf8(redriven.stdout).unwrap();
    assert_eq!(printed.trim_end(), format!("{id} redriven: it is on its topic"));
    assert_eq!(code(&app.ops(&["dead-letters", "redrive", &id]).await), 1, "it is gone");

    eventually("the user is notified of both events", async || {
        let order = app.order(order_id).await;
        let notified: Vec<_> =
            order["notifications"].as_array()?.iter().map(|one| text(&one["type"])).collect();
        (notified == ["OrderCreated", "OrderConfirmed"]).then_some(())
    })
    .await;
    assert_eq!(app.stock(1).await, stock, "a handler that has done its part does not do it again");
    assert_eq!(app.copies(&id).await, 2);
    eventually("no order's event is pending", async || pending(app).await.is_empty().then_some(()))
        .await;
    an_operator_replays(app, order_id, &id).await;
}

/// A handled event cannot be republished as pending, but replayed for a consumer that lost it.
async fn an_operator_replays(app: &App, order_id: &str, id: &str) {
    let aggregate = format!("{USER}/ORDER#{order_id}");
    let republish = ["events", "republish", &aggregate, id, "--yes"];
    assert_eq!(code(&app.ops_on_cluster(&republish).await), 1, "it is not pending");
    let replay = ["events", "replay", "--order", order_id, "--user", "123", "--event", id];
    let dry = app.ops_on_cluster(&[&replay[..], &["--dry-run"]].concat()).await;
    assert_eq!(code(&dry), 0, "{dry:?}");
    assert_eq!(app.copies(id).await, 2, "it was a dry run");
    let replayed = app.ops_on_cluster(&replay).await;
    assert_eq!(code(&replayed), 0, "{replayed:?}");
    eventually("the third copy is on the topic", async || {
        (app.copies(id).await == 3).then_some(())
    })
    .await;
}

/// A message that cannot be decoded is listed. It cannot be redriven, but discarded.
async fn an_operator_discards(app: &App) {
    let id = crate::garbage::publish_garbage(app).await;
    eventually("it is listed", async || {
        let listed = app.json(&["dead-letters", "list", "--json", "--reason", "CloudEvent"]).await;
        listed.as_array().unwrap().iter().any(|letter| letter["id"] == id.as_str()).then_some(())
    })
    .await;
    let shown = app.ops(&["dead-letters", "show", &id]).await;
    let printed = String::from_utf8(shown.stdout).unwrap();
    assert!(printed.ends_with("\n\nthis is no event\n"), "{printed}");
    assert!(printed.contains("refused: it can't be decoded"), "{printed}");
    assert_eq!(code(&app.ops(&["dead-letters", "redrive", &id]).await), 1);
    let discarded = app.ops(&["dead-letters", "discard", &id, "--yes"]).await;
    assert_eq!(code(&discarded), 0, "{discarded:?}");
    assert_eq!(code(&app.ops(&["dead-letters", "show", &id]).await), 1, "it is gone");
}

#[test]
fn an_event_that_failed_sixteen_times_is_redriven_and_handled_once_and_garbage_is_discarded() {
    with_own(async || {
        let mut options = options();
        options.schedules = false;
        let app = App::start(options).await;
        let before = app.stock(1).await;
        let order_id = app.create_order(1, 2).await;
        an_operator_republishes(&app, &order_id).await;
        // The table refuses the write that ends `OrderConfirmed`, as it refuses an invalid call.
        let refusal = TableAnswer::error(StatusCode::BAD_REQUEST, "ValidationException");
        let table = &app.consumer_proxies().table;
        let refused = table.on(Point::Request, ends_alone).inflict(Toxic::Answer(refusal));
        let operator = async {
            only_the_last_attempt_is_left(&app, &order_id).await;
            an_operator_redrives(&app, &order_id, before - 2, refused).await;
            an_operator_discards(&app).await;
        };
        tokio::select! {
            never = app.consume() => match never {},
            () = operator => {}
        }
        let order = app.stored_order(&order_id).await;
        assert_eq!(order["notifications"].as_m().unwrap().len(), 2);
        assert!(order["pending"].as_m().unwrap().is_empty());
        app.system.stop().await;
    });
}
