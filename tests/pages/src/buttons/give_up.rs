//! Makes a handler fail until its event is given up.
//!
//! The pauses between sixteen deliveries take more than an hour. So most of the failures are
//! written to the order, and the broker is asked for short pauses between the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use harness::broker_proxy::{Passage, frames};
use harness::failures::add_failures;
use harness::faults::{Point, Toxic};
use harness::observer::Observer;
use harness::order_calls::ends_alone;
use harness::provision::DEMO_USER_ID;
use harness::remoting::code;
use harness::table_proxy::{TableAnswer, TableCall};
use tokio::time::Instant;

use super::{Buttons, Parts, Pressed};

const EVENT_CONSUMER: &str = "event-consumer";

/// How many failures are written, of the sixteen after which an event is given up.
const WRITTEN: u32 = 14;

/// The pause between two deliveries, in milliseconds.
const PAUSE_MS: &str = "1000";

/// How long it may take until a delivery has failed, and until the event is given up.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(250);

impl Buttons {
    pub(super) async fn give_up(&self, parts: &Parts) -> anyhow::Result<Pressed> {
        // It begins before the order is created, so that a second press meanwhile is refused.
        let job = self.only_job("giving up an event: its handler fails");
        let job = job.context("An event is being given up at the moment.")?;
        let answer = parts.shopper.create(None).await?;
        let order_id = answer.order_id.context(answer.said)?;
        let (buttons, order) = (self.clone(), order_id.clone());
        self.0.tasks.spawn(async move {
            let Some(parts) = buttons.0.parts.get() else { return };
            match buttons.fail(parts, &order).await {
                Ok(()) => buttons.0.feed.note("an event was given up: it is a dead letter"),
                Err(error) => buttons.0.feed.note(format!("no event was given up: {error:#}")),
            }
            drop(job);
        });
        let said = "The notification of this order fails at each delivery. Sixteen failures take \
                    more than an hour: fourteen are written to the order instead.";
        Ok(Pressed { said: said.to_owned(), order_id: Some(order_id) })
    }

    /// Returns once the order's event is given up.
    async fn fail(&self, parts: &Parts, order_id: &str) -> anyhow::Result<()> {
        let proxies = parts.proxies.of_function(EVENT_CONSUMER)?;
        let postpones = frames(code::CHANGE_MESSAGE_INVISIBLETIME);
        let shorter = proxies.broker.on(Point::Request, postpones);
        let _shorter = shorter.inflict(Toxic::Rewrite(Arc::new(|passage: &mut Passage| {
            passage.frame.fields.insert("invisibleTime".to_owned(), PAUSE_MS.to_owned());
        })));
        let key = format!("ORDER#{order_id}");
        let fails = move |call: &TableCall| ends_alone(call) && call.touches(&key);
        let feed = self.0.feed.clone();
        let _throttled = proxies.table.on(Point::Request, fails).answer(move |call| {
            let answer = TableAnswer::throttled();
            let throttled = TableCall { answer: Some(answer.clone()), ..call.clone() };
            feed.call(EVENT_CONSUMER, &throttled);
            answer
        });
        let event_id = first_failure(parts, order_id).await?;
        add_failures(&parts.tables, &parts.names, order_id, &event_id, WRITTEN).await?;
        let deadline = Instant::now() + LIMIT;
        while pending(parts, order_id).await?.contains_key(&event_id) {
            anyhow::ensure!(Instant::now() < deadline, "it is still pending");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

/// Waits until a delivery has failed. Returns its event.
async fn first_failure(parts: &Parts, order_id: &str) -> anyhow::Result<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        for (event_id, entry) in pending(parts, order_id).await? {
            let entry = entry.as_m().ok();
            if entry.is_some_and(|entry| entry.contains_key("failures")) {
                return Ok(event_id);
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "no delivery of it has failed");
        tokio::time::sleep(POLL).await;
    }
}

/// The pending events of an order of the demo user.
async fn pending(parts: &Parts, order_id: &str) -> anyhow::Result<HashMap<String, AttributeValue>> {
    let order = parts
        .tables
        .get_item()
        .table_name(parts.names.table("OrdersTable").unwrap_or_default())
        .key("pk", AttributeValue::S(format!("USER#{DEMO_USER_ID}")))
        .key("sk", AttributeValue::S(format!("ORDER#{order_id}")))
        .consistent_read(true)
        .send()
        .await?;
    let pending = order.item.as_ref().and_then(|item| item.get("pending"));
    Ok(pending.and_then(|map| map.as_m().ok()).cloned().unwrap_or_default())
}
