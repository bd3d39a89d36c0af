//! The feed, with traffic as the functions make it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use harness::broker_proxy::{Passage, Side};
use harness::observer::Observer;
use harness::remoting::{Frame, code, status};
use harness::table_proxy::{TableAnswer, TableCall};
use local_lambda::{ProcessChange, ProcessObserver};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Feed, Kill};
use crate::buttons::Faults;

const ORDER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PID: u32 = 41;

/// A feed that gets one order's traffic.
struct Traffic {
    feed: Feed,
    next: i32,
}

impl Traffic {
    fn new() -> Self {
        Self { feed: Feed::new(), next: 0 }
    }

    fn view(&self) -> Value {
        let snapshot = self.feed.snapshot(Some(ORDER), &["health".to_owned()], &Faults::default());
        serde_json::from_str(&snapshot.unwrap().0).unwrap()
    }

    fn kinds(&self) -> Vec<String> {
        let view = self.view();
        let steps = view["story"]["all_steps"].as_array().cloned().unwrap_or_default();
        steps.iter().map(|step| step["kind"].as_str().unwrap().to_owned()).collect()
    }

    fn frame(&mut self, function: &str, from: Side, request: i32, frame: Frame) {
        let passage = Passage { from, connection: 1, request, frame };
        self.feed.frame(function, &passage);
    }

    /// A request of a function and the broker's answer.
    fn exchange(&mut self, function: &str, request: i32, fields: &[(&str, &str)], answer: i32) {
        self.next += 1;
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let frame = Frame::request(request, self.next, fields.collect::<BTreeMap<_, _>>());
        let answer = frame.answer(answer, "");
        self.frame(function, Side::Client, request, frame);
        self.frame(function, Side::Server, request, answer);
    }

    fn requested(&self) {
        let payload = json!({
            "routeKey": "POST /v1/orders",
            "headers": {"traceparent": format!("00-{TRACE}-00f067aa0ba902b7-01")},
        });
        self.process(&ProcessChange::Started);
        self.process(&ProcessChange::Invoked { payload: payload.to_string().into() });
        self.process(&ProcessChange::Initialised { init: Duration::from_millis(30) });
    }

    fn answered(&self, status: u16) {
        let body = json!({ "order_id": ORDER }).to_string();
        let payload: Bytes = json!({"statusCode": status, "body": body}).to_string().into();
        self.process(&ProcessChange::Answered {
            payload,
            is_error: false,
            duration: Duration::from_millis(9),
        });
        self.process(&ProcessChange::Waits { is_frozen: true });
    }

    fn process(&self, change: &ProcessChange) {
        self.feed.process("create-order", PID, change);
    }

    fn half_message(&mut self) {
        let properties = format!(
            "TRAN_MSG\u{1}true\u{2}UNIQ_KEY\u{1}M\u{2}TAGS\u{1}OrderCreated\u{2}\
             aggregate\u{1}USER#123/ORDER#{ORDER}\u{2}event_id\u{1}e\u{2}\
             traceparent\u{1}00-{TRACE}-00f067aa0ba902b7-01\u{2}"
        );
        let fields = [("topic", "ORDER_EVENTS"), ("properties", properties.as_str())];
        self.exchange("create-order", code::SEND_MESSAGE, &fields, status::SUCCESS);
    }

    fn end(&mut self, function: &str, how: &str, answer: i32) {
        let from_check = if function == "transaction-check" { "true" } else { "false" };
        let fields =
            [("msgId", "M"), ("commitOrRollback", how), ("fromTransactionCheck", from_check)];
        self.exchange(function, code::END_TRANSACTION, &fields, answer);
    }

    fn put(&self, answer: TableAnswer) {
        let body = json!({
            "TableName": "orders-local-OrdersTable",
            "Item": {
                "pk": {"S": "USER#123"}, "sk": {"S": format!("ORDER#{ORDER}")},
                "attempt": {"B": "AYkKXayWd0u8zrMCCZqAVw=="}, "status": {"S": "CREATED"},
                "pending": {"M": {"e": {"M": {}}}},
            },
        });
        let (at, operation) = (Instant::now(), "PutItem".to_owned());
        let call = TableCall { at, operation, body, answer: Some(answer) };
        self.feed.call("create-order", &call);
    }

    fn check_back(&mut self) {
        let fields = BTreeMap::from([("msgId".to_owned(), "M".to_owned())]);
        let check = Frame::request(code::CHECK_TRANSACTION_STATE, 900, fields);
        let request = code::CHECK_TRANSACTION_STATE;
        self.frame("transaction-check", Side::Server, request, check);
    }
}

fn kill<'a>(order_id: &'a str, trace: &'a str) -> Kill<'a> {
    let (function, before) = ("create-order", Some("the commit"));
    Kill { function, pids: &[PID], before, order: Some((order_id, trace)) }
}

fn done() -> TableAnswer {
    let mut done = TableAnswer::internal_error();
    done.status = http::StatusCode::OK;
    done
}

#[test]
fn an_order_that_goes_well_is_followed_from_its_request_to_its_answer() {
    let mut traffic = Traffic::new();
    traffic.requested();
    traffic.half_message();
    assert_eq!(traffic.view()["story"]["half"], "waiting");
    traffic.put(done());
    traffic.end("create-order", "8", status::SUCCESS);
    traffic.answered(201);
    assert_eq!(traffic.kinds(), ["request", "half-message", "put", "commit", "answer"]);
    let view = traffic.view();
    let story = &view["story"];
    assert_eq!((&story["status"], &story["half"]), (&json!("CREATED"), &json!("committed")));
    assert_eq!(story["pending"], 1);
    for (name, expected) in [("created", 1), ("half_messages", 1), ("waiting", 0), ("commits", 1)] {
        assert_eq!(view["counts"][name], expected, "{name}");
    }
    let process = &view["functions"]["create-order"][0];
    assert_eq!((&process["activity"], &process["requests"]), (&json!("frozen"), &json!(1)));
    assert_eq!(view["functions"]["health"], json!([]));
    assert_eq!(view["topics"]["ORDER_EVENTS"]["commits"], 1);
    assert_eq!(view["tables"]["orders-local-OrdersTable"]["writes"], 1);
}

#[test]
fn a_killed_process_leaves_an_open_half_message_that_the_check_back_commits() {
    let mut traffic = Traffic::new();
    traffic.requested();
    traffic.half_message();
    traffic.put(done());
    assert_eq!(traffic.feed.process_of(TRACE), Some(PID));
    assert!(traffic.feed.is_message_of("M", TRACE));
    assert!(!traffic.feed.is_message_of("M", "another"));
    traffic.feed.killed(&kill(ORDER, TRACE));
    traffic.process(&ProcessChange::Ended { reason: "signal 9".to_owned() });
    let view = traffic.view();
    assert_eq!((&view["counts"]["waiting"], &view["counts"]["killed"]), (&json!(1), &json!(1)));
    traffic.check_back();
    traffic.end("transaction-check", "8", status::SUCCESS);
    let expected = ["request", "half-message", "put", "killed", "no-answer"];
    let repaired = ["check-back", "checked-commit"];
    assert_eq!(traffic.kinds(), [expected.as_slice(), &repaired].concat());
    let view = traffic.view();
    assert_eq!(view["story"]["half"], "committed");
    assert_eq!((&view["story"]["check_backs"], &view["counts"]["waiting"]), (&json!(1), &json!(0)));
    assert_eq!(view["story"]["killed"], "create-order");
    let process = &view["functions"]["create-order"][0];
    let is_killed = &process["is_killed"];
    assert_eq!((&process["activity"], is_killed), (&json!("ended"), &json!(true)));
}

#[test]
fn an_end_that_the_broker_refuses_leaves_the_half_message_open() {
    let mut traffic = Traffic::new();
    traffic.half_message();
    traffic.end("create-order", "8", status::SYSTEM_BUSY);
    let view = traffic.view();
    assert_eq!(
        (&view["story"]["half"], &view["counts"]["waiting"]),
        (&json!("waiting"), &json!(1))
    );
    assert_eq!(view["story"]["all_steps"][1]["outcome"], "refused");
    traffic.end("create-order", "12", status::SUCCESS);
    assert_eq!(traffic.view()["story"]["half"], "rolled-back");
}

#[test]
fn a_throttled_put_creates_no_order() {
    let traffic = Traffic::new();
    traffic.put(TableAnswer::over_capacity());
    let view = traffic.view();
    assert_eq!(view["story"]["all_steps"][0]["outcome"], "throttled");
    assert_eq!((&view["story"]["status"], &view["counts"]["throttled"]), (&Value::Null, &json!(1)));
    assert_eq!(view["counts"]["created"], 0);
}

#[test]
fn the_order_of_a_request_without_a_trace_is_known_by_its_answer() {
    let traffic = Traffic::new();
    let payload = json!({"routeKey": "POST /v1/orders", "headers": {}}).to_string().into();
    traffic.process(&ProcessChange::Started);
    traffic.process(&ProcessChange::Invoked { payload });
    assert!(traffic.kinds().is_empty());
    traffic.answered(503);
    assert_eq!(traffic.kinds(), ["request", "answer"]);
    assert_eq!(traffic.view()["story"]["all_steps"][1]["outcome"], "failed");
}

#[test]
fn only_the_newest_orders_are_kept() {
    let feed = Feed::new();
    for number in 0..super::STORIES_MAX + 50 {
        feed.killed(&kill(&format!("order-{number}"), &number.to_string()));
    }
    let kept = feed.state().stories.newest().count();
    assert_eq!(kept, super::STORIES_MAX);
    assert_eq!(feed.state().activity.len(), super::ACTIVITY_MAX);
}
