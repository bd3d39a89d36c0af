//! What is in the tables and on the topic.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use harness::provision::rocketmq_config;
use harness::table;

use crate::rig::Rig;

type Item = HashMap<String, AttributeValue>;

/// An order as it is stored.
#[derive(Debug, Clone)]
pub struct OrderState {
    /// Its last status.
    pub status: String,
    /// Each status that it had.
    pub history: Vec<String>,
    /// The types of events that its customer was told of.
    pub notifications: Vec<String>,
    /// What was ordered: product and quantity.
    pub lines: Vec<(u64, u64)>,
    /// When it was placed, in milliseconds since 1970.
    pub placed_at_ms: i64,
}

impl OrderState {
    /// The events that an order has had, by its history.
    #[must_use]
    pub fn events(&self) -> Vec<&'static str> {
        let event = |status: &String| match status.as_str() {
            "CREATED" => "OrderCreated",
            "CONFIRMED" => "OrderConfirmed",
            "REJECTED" => "OrderRejected",
            _ => "OrderCancelled",
        };
        self.history.iter().map(event).collect()
    }

    /// How often its customer was told of an event.
    #[must_use]
    pub fn told(&self, event: &str) -> usize {
        self.notifications.iter().filter(|told| *told == event).count()
    }

    fn is_finished(&self) -> bool {
        self.status != "CREATED" && self.events().iter().all(|event| self.told(event) > 0)
    }
}

/// A dead letter as it is stored.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Why the message was given up.
    pub reason: String,
    /// Whose failure it was; empty when nobody could read the message.
    pub handler: String,
    /// How often it had been tried.
    pub attempts: u32,
}

/// What the tables hold.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Every order by its id.
    pub orders: BTreeMap<String, OrderState>,
    /// The keys of outbox copies that no consumer has seen.
    pub unobserved: BTreeSet<String>,
    /// The attempts that were fenced.
    pub fenced: BTreeSet<String>,
    /// The attempts whose local transaction is stored.
    pub stored: BTreeSet<String>,
    /// The keys of inbox records.
    pub inbox: BTreeSet<String>,
    /// The dead letters by their keys.
    pub dead_letters: BTreeMap<String, Letter>,
    /// What is left of each product.
    pub stock: BTreeMap<u64, u64>,
}

/// One copy of an event on the topic.
#[derive(Debug, Clone)]
pub struct EventCopy {
    /// The event.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// The order.
    pub subject: String,
    /// When the broker stored it, in milliseconds since 1970.
    pub stored_at_ms: i64,
}

/// Tables and topic.
#[derive(Debug, Clone)]
pub struct World {
    /// The tables.
    pub records: Records,
    /// Every copy of every event on the order topic that can be read.
    pub copies: Vec<EventCopy>,
}

impl World {
    /// The demo's stock of each product.
    pub const INITIAL_STOCK: u64 = 1_000_000;

    /// Reads everything.
    ///
    /// # Errors
    /// When a table or the topic cannot be read.
    pub async fn read(rig: &Rig<'_>) -> anyhow::Result<Self> {
        Ok(Self { records: Records::read(rig).await?, copies: Self::copies(rig).await? })
    }

    /// Reads the topic.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn copies(rig: &Rig<'_>) -> anyhow::Result<Vec<EventCopy>> {
        let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
        let messages = rocketmq::admin::read_topic(config, &rig.system.names.topic).await?;
        let copies = messages.iter().filter_map(|message| {
            let event: serde_json::Value = serde_json::from_slice(&message.body).ok()?;
            let text = |name: &str| Some(event.get(name)?.as_str()?.to_owned());
            Some(EventCopy {
                event_id: text("id")?,
                event_type: text("type")?,
                subject: text("subject")?,
                stored_at_ms: message.stored_at_ms,
            })
        });
        Ok(copies.collect())
    }

    /// The copies of one type of event.
    #[must_use]
    pub fn copies_of(&self, event_type: &str) -> Vec<&EventCopy> {
        self.copies.iter().filter(|copy| copy.event_type == event_type).collect()
    }

    /// The copies beyond the first of each event.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        let events: BTreeSet<&String> = self.copies.iter().map(|copy| &copy.event_id).collect();
        u64::try_from(self.copies.len() - events.len()).unwrap_or(u64::MAX)
    }
}

impl Records {
    /// Reads the tables.
    ///
    /// # Errors
    /// When one cannot be read, or an item is not what it should be.
    pub async fn read(rig: &Rig<'_>) -> anyhow::Result<Self> {
        let mut records = Self::default();
        for item in scan(rig, "OrdersTable").await? {
            records.orders.insert(text(&item, "order_id")?, order(&item)?);
        }
        for item in scan(rig, "EventsTable").await? {
            records.add(text(&item, "pk")?, &item);
        }
        for item in scan(rig, "CatalogTable").await? {
            let id = text(&item, "pk")?.replace("PRODUCT#", "").parse()?;
            records.stock.insert(id, number(&item, "stock")?);
        }
        Ok(records)
    }

    /// The orders that are not decided yet, or whose customers were not told of everything.
    #[must_use]
    pub fn unfinished(&self) -> Vec<&String> {
        let orders = self.orders.iter();
        orders.filter(|(_, order)| !order.is_finished()).map(|(id, _)| id).collect()
    }

    fn add(&mut self, key: String, item: &Item) {
        if item.contains_key("unobserved") {
            self.unobserved.insert(key);
        } else if key.starts_with("INBOX#") {
            self.inbox.insert(key);
        } else if key.starts_with("DEAD#") {
            let letter = Letter {
                reason: text(item, "reason").unwrap_or_default(),
                handler: text(item, "handler").unwrap_or_default(),
                attempts: number(item, "attempts").unwrap_or_default(),
            };
            self.dead_letters.insert(key, letter);
        } else if let Some(attempt) = key.strip_prefix("TXN#") {
            let fenced = text(item, "state").is_ok_and(|state| state == "FENCED");
            let attempts = if fenced { &mut self.fenced } else { &mut self.stored };
            attempts.insert(attempt.to_owned());
        }
    }
}

/// The state of an attempt, when it has one.
pub(super) async fn attempt(rig: &Rig<'_>, transaction_id: &str) -> anyhow::Result<Option<String>> {
    let read = table::client(&rig.system.endpoints.table_url)
        .get_item()
        .table_name(rig.system.names.table("EventsTable").context("no table of events")?)
        .key("pk", AttributeValue::S(format!("TXN#{transaction_id}")))
        .consistent_read(true);
    let item = Box::pin(read.send()).await?.item;
    item.map(|item| text(&item, "state")).transpose()
}

/// How many outbox copies no consumer has seen, as the index tells.
pub(super) async fn unobserved(rig: &Rig<'_>) -> anyhow::Result<usize> {
    let client = table::client(&rig.system.endpoints.table_url);
    let name = rig.system.names.table("EventsTable").context("no table of events")?;
    let index = client.scan().table_name(name).index_name("unobserved");
    let mut items = index.into_paginator().items().send();
    let mut count = 0;
    while let Some(item) = items.next().await {
        item?;
        count += 1;
    }
    Ok(count)
}

async fn scan(rig: &Rig<'_>, table: &str) -> anyhow::Result<Vec<Item>> {
    let client = table::client(&rig.system.endpoints.table_url);
    let name = rig.system.names.table(table).with_context(|| format!("there is no {table}"))?;
    let mut pages =
        client.scan().table_name(name).consistent_read(true).into_paginator().items().send();
    let mut items = Vec::new();
    while let Some(item) = pages.next().await {
        items.push(item?);
    }
    Ok(items)
}

fn order(item: &Item) -> anyhow::Result<OrderState> {
    let history = list(item, "history")?;
    let placed = history.first().context("an order without a history")?;
    Ok(OrderState {
        status: text(item, "status")?,
        history: history.iter().map(|change| text(change, "status")).collect::<Result<_, _>>()?,
        notifications: list(item, "notifications")?
            .iter()
            .map(|told| text(told, "event_type"))
            .collect::<Result<_, _>>()?,
        lines: list(item, "lines")?
            .iter()
            .map(|line| anyhow::Ok((number(line, "product_id")?, number(line, "quantity")?)))
            .collect::<Result<_, _>>()?,
        placed_at_ms: number(placed, "at_ms")?,
    })
}

fn list<'a>(item: &'a Item, name: &str) -> anyhow::Result<Vec<&'a Item>> {
    let values = item.get(name).and_then(|value| value.as_l().ok());
    let values = values.with_context(|| format!("{name} is no list"))?;
    values
        .iter()
        .map(|value| value.as_m().ok().with_context(|| format!("{name} holds no map")))
        .collect()
}

fn text(item: &Item, name: &str) -> anyhow::Result<String> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    Ok(value.with_context(|| format!("{name} is no text"))?.clone())
}

fn number<T: std::str::FromStr>(item: &Item, name: &str) -> anyhow::Result<T> {
    let value = item.get(name).and_then(|value| value.as_n().ok());
    let value = value.and_then(|value| value.parse().ok());
    value.with_context(|| format!("{name} is no number"))
}
