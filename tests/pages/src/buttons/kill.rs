//! Kills create-order at a chosen moment of an order.
//!
//! The proxy holds the request that ends the window, so that the process stands there, whatever
//! the machine's speed. Then the process gets SIGKILL, and the request is dropped: a process that
//! dies before it has sent something has not sent it.

use std::time::Duration;

use anyhow::Context;
use harness::broker_proxy::{Passage, Side};
use harness::faults::{Held, Hold, Point, Traffic};
use harness::order_calls::created_by;
use harness::remoting::code;
use harness::table_proxy::TableCall;
use serde::Deserialize;

use super::shopper::new_trace;
use super::{Parts, Pressed};
use crate::feed::{Feed, Kill};

const CREATE_ORDER: &str = "create-order";

/// How long an order may take until it is at its window.
const LIMIT: Duration = Duration::from_secs(15);

/// The moment of a kill: before a request of create-order leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Window {
    /// Nothing has left.
    HalfMessage,
    /// The half message is stored, the order is not written.
    Put,
    /// The order is written, its half message is not ended.
    Commit,
}

impl Window {
    /// What is missing after the kill.
    const fn missing(self) -> &'static str {
        match self {
            Self::HalfMessage => "the half message",
            Self::Put => "the put",
            Self::Commit => "the commit",
        }
    }

    /// What will happen next.
    pub(super) const fn follows(self) -> &'static str {
        match self {
            Self::HalfMessage => "There is no order and no event: nothing needs repair.",
            Self::Put => {
                "A half message waits without an order. In 6 to 11 seconds the broker asks, \
                 transaction-check fences the attempt and answers ROLLBACK."
            }
            Self::Commit => {
                "The order exists, its event waits. In 6 to 11 seconds the broker asks, \
                 transaction-check finds the order and answers COMMIT."
            }
        }
    }
}

pub(super) async fn press(feed: &Feed, parts: &Parts, window: Window) -> anyhow::Result<Pressed> {
    let trace = new_trace();
    let proxies = parts.proxies.of_function(CREATE_ORDER)?;
    let broker = &proxies.broker;
    let order_id = match window {
        Window::HalfMessage => {
            let of = trace.clone();
            let hold =
                broker.on(Point::Request, move |passage| is_half(passage, &of)).once().hold();
            kill_at(feed, parts, window, &trace, hold, order_of_half).await
        }
        Window::Put => {
            let of = trace.clone();
            let hold =
                proxies.table.on(Point::Request, move |call| is_put(call, &of)).once().hold();
            let order_of = |call: &TableCall| created_by(call).map(|attempt| attempt.order_id);
            kill_at(feed, parts, window, &trace, hold, order_of).await
        }
        Window::Commit => {
            let (of, knows) = (trace.clone(), feed.clone());
            let is_end = move |passage: &Passage| is_end(passage, &knows, &of);
            let hold = broker.on(Point::Request, is_end).once().hold();
            let order_of = |_: &Passage| feed.order_of(&trace);
            kill_at(feed, parts, window, &trace, hold, order_of).await
        }
    }?;
    let said = format!("create-order was killed before {}. {}", window.missing(), window.follows());
    Ok(Pressed { said, order_id: Some(order_id) })
}

/// Creates an order, waits until it is held, kills the process that serves it and drops what was
/// held. Returns the order's id.
async fn kill_at<Stopped: Traffic>(
    feed: &Feed,
    parts: &Parts,
    window: Window,
    trace: &str,
    mut hold: Hold<Stopped>,
    order_of: impl Fn(&Stopped) -> Option<String>,
) -> anyhow::Result<String> {
    let killing = async {
        let held: Held<Stopped> = hold.seen(LIMIT).await.context(
            "The order did not come to this moment. Is the broker running, and create-order not \
             frozen?",
        )?;
        let order_id = order_of(&held.traffic).context("The request names no order.")?;
        let pid = feed.process_of(trace).context("The process of the order is unknown.")?;
        feed.killed(&Kill {
            function: CREATE_ORDER,
            pids: &[pid],
            before: Some(window.missing()),
            order: Some((&order_id, trace)),
        });
        parts.host.kill_instance(CREATE_ORDER, pid)?;
        held.lose();
        anyhow::Ok(order_id)
    };
    // The order is answered with an error once its process is dead.
    let (order_id, _answer) = tokio::join!(killing, parts.shopper.create(Some(trace)));
    order_id
}

fn is_half(passage: &Passage, trace: &str) -> bool {
    let is_send = matches!(passage.request, code::SEND_MESSAGE | code::SEND_MESSAGE_V2);
    let of_trace = || {
        let properties = passage.frame.message_properties();
        properties.get("traceparent").is_some_and(|parent| parent.contains(trace))
    };
    passage.from == Side::Client && is_send && of_trace()
}

fn order_of_half(passage: &Passage) -> Option<String> {
    let properties = passage.frame.message_properties();
    let (_, order_id) = properties.get("aggregate")?.split_once("/ORDER#")?;
    Some(order_id.to_owned())
}

fn is_put(call: &TableCall, trace: &str) -> bool {
    let traceparent = call.body.pointer("/Item/history/L/0/M/traceparent/S");
    let of_trace = || traceparent.and_then(|text| text.as_str()).is_some_and(|t| t.contains(trace));
    created_by(call).is_some() && of_trace()
}

fn is_end(passage: &Passage, feed: &Feed, trace: &str) -> bool {
    let message_id = passage.frame.field("msgId").unwrap_or_default();
    passage.from == Side::Client
        && passage.request == code::END_TRANSACTION
        && feed.is_message_of(message_id, trace)
}
