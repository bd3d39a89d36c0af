//! What is in the tables and on the topic.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context;
use application::ports::OrderKeys;
use application::ports::pending::PendingEventStore;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::message::{RECORDED, TRANSACTION_ID};
use domain::identity::TransactionId;
use domain::order::AtKey;
use futures::stream::{self, StreamExt, TryStreamExt};
use harness::order_calls::Attempt;
use harness::provision::rocketmq_config;
use harness::table;
use rocketmq::admin::{RocketmqAdmin, StoredMessage};
use uuid::Uuid;

use crate::rig::{Rig, order_key};

type Item = HashMap<String, AttributeValue>;

const READ_AT_ONCE: usize = 16;

#[derive(Debug, Clone)]
pub struct Change {
    pub status: String,
    pub event_id: String,
}

impl Change {
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self.status.as_str() {
            "CREATED" => "OrderCreated",
            "CONFIRMED" => "OrderConfirmed",
            "REJECTED" => "OrderRejected",
            _ => "OrderCancelled",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Pending {
    /// `unsent`, `sent` or `found`.
    pub publication: String,
    pub failures: u32,
}

#[derive(Debug, Clone)]
pub struct OrderState {
    pub attempt: String,
    pub status: String,
    pub history: Vec<Change>,
    /// When its user was notified of each event, by `event_id`, in milliseconds since 1970.
    pub notifications: BTreeMap<String, i64>,
    /// By `event_id`.
    pub pending: BTreeMap<String, Pending>,
    pub is_indexed: bool,
    /// Product and quantity.
    pub lines: Vec<(u64, u64)>,
    /// In milliseconds since 1970.
    pub created_at_ms: i64,
}

impl OrderState {
    /// The `event_id` of its event of a type, if it has raised one.
    #[must_use]
    pub fn event(&self, event_type: &str) -> Option<&str> {
        let change = self.history.iter().find(|change| change.event_type() == event_type)?;
        Some(&change.event_id)
    }

    /// The types of the events that its user was notified of, in the order of the events.
    #[must_use]
    pub fn notified(&self) -> Vec<&'static str> {
        let notified = |change: &&Change| self.notifications.contains_key(&change.event_id);
        self.history.iter().filter(notified).map(Change::event_type).collect()
    }

    fn is_finished(&self) -> bool {
        self.status != "CREATED"
            && self.pending.is_empty()
            && self.notified().len() == self.history.len()
    }
}

#[derive(Debug, Clone)]
pub struct Letter {
    pub reason: String,
    /// The handler that failed; empty for a message that could not be read.
    pub handler: String,
    pub attempts: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Records {
    /// By `order_id`.
    pub orders: BTreeMap<String, OrderState>,
    /// The fenced attempts in tombstones, by the id of the order that does not exist.
    pub tombstones: BTreeMap<String, BTreeSet<String>>,
    /// By key.
    pub dead_letters: BTreeMap<String, Letter>,
    /// By product.
    pub stock: BTreeMap<u64, u64>,
    /// Of all accounts together.
    pub open_units: u64,
}

#[derive(Debug, Clone)]
pub struct EventCopy {
    pub event_id: String,
    /// Such as `OrderCreated`.
    pub event_type: String,
    /// The `order_id`.
    pub subject: String,
    /// JSON.
    pub body: Vec<u8>,
    /// In milliseconds since 1970.
    pub stored_at_ms: i64,
    pub publication: Option<String>,
    /// Whether its event was stored before the copy was sent.
    pub is_recorded: bool,
}

#[derive(Debug, Clone)]
pub struct World {
    pub records: Records,
    /// Of each event of the orders, rebuilt from its order.
    pub bodies: BTreeMap<String, Vec<u8>>,
    /// All on the order topic that can be read.
    pub copies: Vec<EventCopy>,
}

impl World {
    /// The demo's stock of each product.
    pub const INITIAL_STOCK: u64 = 1_000_000;

    /// # Errors
    /// When a table or the topic cannot be read, or an event cannot be rebuilt.
    pub async fn read(rig: &Rig<'_>) -> anyhow::Result<Self> {
        let records = Records::read(rig).await?;
        let bodies = bodies(rig, &records).await?;
        Ok(Self { records, bodies, copies: Self::copies(rig).await? })
    }

    /// All copies of events on the topic, acknowledged or not.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn copies(rig: &Rig<'_>) -> anyhow::Result<Vec<EventCopy>> {
        let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
        let messages = rocketmq::admin::read_topic(config, &rig.system.names.topic).await?;
        Ok(messages.into_iter().filter_map(copy).collect())
    }

    /// The copies that one broker holds. Other brokers may be down.
    ///
    /// # Errors
    /// When the broker can't be read.
    pub async fn copies_on(rig: &Rig<'_>, broker: &str) -> anyhow::Result<Vec<EventCopy>> {
        let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
        let topic = &rig.system.names.topic;
        let admin = RocketmqAdmin::start(config).await?;
        let messages = admin.read_topic_on(topic, broker).await;
        admin.shutdown().await;
        Ok(messages?.into_iter().filter_map(copy).collect())
    }

    #[must_use]
    pub fn copies_of(&self, event_type: &str) -> Vec<&EventCopy> {
        self.copies.iter().filter(|copy| copy.event_type == event_type).collect()
    }

    /// Beyond the first of each event.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        let events: BTreeSet<&String> = self.copies.iter().map(|copy| &copy.event_id).collect();
        u64::try_from(self.copies.len() - events.len()).unwrap_or(u64::MAX)
    }
}

/// Rebuilds every event of some orders, as a replay would send it.
async fn bodies(rig: &Rig<'_>, records: &Records) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let aggregates = rig.aggregates()?;
    let aggregates = &aggregates;
    let rebuilt = stream::iter(records.orders.keys())
        .map(|order_id| async move {
            let found = aggregates.find(order_key(order_id)?.into()).await?;
            let found = found.with_context(|| format!("the order {order_id} is gone"))?;
            let events = found.events();
            events
                .into_iter()
                .map(|event_id| {
                    Ok((event_id.to_string(), found.message(event_id)?.body.into_bytes()))
                })
                .collect::<anyhow::Result<Vec<_>>>()
        })
        .buffer_unordered(READ_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(rebuilt.into_iter().flatten().collect())
}

impl Records {
    /// # Errors
    /// When a table cannot be read, or an item has an unexpected form.
    pub async fn read(rig: &Rig<'_>) -> anyhow::Result<Self> {
        let mut records = Self::default();
        for item in scan(rig, "OrdersTable").await? {
            if item.contains_key("attempt") {
                records.orders.insert(text(&item, "order_id")?, order(&item)?);
            } else if item.contains_key("units") {
                records.open_units += number::<u64>(&item, "units")?;
            } else {
                let order_id = text(&item, "sk")?.replace("ORDER#", "");
                records.tombstones.insert(order_id, fenced(&item)?);
            }
        }
        for item in scan(rig, "DeadLettersTable").await? {
            let key = text(&item, "pk")?;
            if key.starts_with("DEAD#") {
                records.dead_letters.insert(key, letter(&item));
            }
        }
        for item in scan(rig, "CatalogTable").await? {
            let id = text(&item, "pk")?.replace("PRODUCT#", "").parse()?;
            records.stock.insert(id, number(&item, "stock")?);
        }
        Ok(records)
    }

    /// Orders that are not decided, have a pending event, or have users who were not notified of
    /// every event.
    #[must_use]
    pub fn unfinished(&self) -> Vec<&String> {
        let orders = self.orders.iter();
        orders.filter(|(_, order)| !order.is_finished()).map(|(id, _)| id).collect()
    }

    /// How many accounts, sessions and mails have a pending event, or are listed for the sweep.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn pending_of_users(rig: &Rig<'_>) -> anyhow::Result<u64> {
        let is_pending = |item: &&Item| {
            let pending = item.get("pending").and_then(|value| value.as_m().ok());
            pending.is_some_and(|pending| !pending.is_empty()) || item.contains_key("shard")
        };
        let items = scan(rig, "UsersTable").await?;
        Ok(u64::try_from(items.iter().filter(is_pending).count())?)
    }

    /// The `order_id`, the `event_id` and the entry of each.
    pub fn pending(&self) -> impl Iterator<Item = (&String, &String, &Pending)> {
        self.orders.iter().flat_map(|(order_id, order)| {
            order.pending.iter().map(move |(event_id, entry)| (order_id, event_id, entry))
        })
    }
}

/// Once it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptState {
    Committed,
    /// A tombstone names it: it can no longer create the order.
    Fenced,
    /// Another attempt created the order, so this one no longer can.
    Superseded,
}

/// `None` while it is undecided.
pub(super) async fn attempt(
    rig: &Rig<'_>,
    attempt: &Attempt,
) -> anyhow::Result<Option<AttemptState>> {
    let transaction_id = TransactionId::new(Uuid::parse_str(&attempt.transaction_id)?);
    let key = order_key(&attempt.order_id)?;
    Ok(match rig.order_keys()?.at_key(key.user_id, key.order_id).await? {
        AtKey::Created { attempt, .. } if attempt == transaction_id => {
            Some(AttemptState::Committed)
        }
        AtKey::Created { .. } => Some(AttemptState::Superseded),
        AtKey::Tombstone(tombstone) => {
            tombstone.holds(transaction_id).then_some(AttemptState::Fenced)
        }
        AtKey::Absent => None,
    })
}

pub(super) async fn pending(rig: &Rig<'_>) -> anyhow::Result<usize> {
    let client = table::client(&rig.system.endpoints.table_url);
    let name = rig.system.names.table("OrdersTable").context("no table of orders")?;
    let index = client.scan().table_name(name).index_name("pending");
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
    let created = history.first().context("an order without a history")?;
    let change = |change: &&Item| {
        anyhow::Ok(Change { status: text(change, "status")?, event_id: uuid(change, "event_id")? })
    };
    Ok(OrderState {
        attempt: uuid(item, "attempt")?,
        status: text(item, "status")?,
        history: history.iter().map(change).collect::<Result<_, _>>()?,
        notifications: map(item, "notifications")?
            .keys()
            .map(|event_id| {
                anyhow::Ok((event_id.clone(), number(map(item, "notifications")?, event_id)?))
            })
            .collect::<Result<_, _>>()?,
        pending: map(item, "pending")?
            .iter()
            .map(|(event_id, entry)| {
                let entry = entry.as_m().ok().context("an entry is not a map")?;
                let failures = entry.get("failures").map(|_| number(entry, "failures"));
                anyhow::Ok((
                    event_id.clone(),
                    Pending {
                        publication: text(entry, "publication")?,
                        failures: failures.transpose()?.unwrap_or_default(),
                    },
                ))
            })
            .collect::<Result<_, _>>()?,
        is_indexed: ["shard", "due_ms"].iter().all(|name| item.contains_key(*name)),
        lines: list(item, "lines")?
            .iter()
            .map(|line| anyhow::Ok((number(line, "product_id")?, number(line, "quantity")?)))
            .collect::<Result<_, _>>()?,
        created_at_ms: number(created, "at_ms")?,
    })
}

fn fenced(item: &Item) -> anyhow::Result<BTreeSet<String>> {
    let attempts = item.get("fenced").and_then(|value| value.as_bs().ok());
    let attempts = attempts.context("an item is neither an order nor a tombstone")?;
    attempts.iter().map(|attempt| Ok(Uuid::from_slice(attempt.as_ref())?.to_string())).collect()
}

fn letter(item: &Item) -> Letter {
    Letter {
        reason: text(item, "reason").unwrap_or_default(),
        handler: text(item, "handler").unwrap_or_default(),
        attempts: number(item, "attempts").unwrap_or_default(),
    }
}

fn list<'a>(item: &'a Item, name: &str) -> anyhow::Result<Vec<&'a Item>> {
    let values = item.get(name).and_then(|value| value.as_l().ok());
    let values = values.with_context(|| format!("{name} is not a list"))?;
    values
        .iter()
        .map(|value| {
            value.as_m().ok().with_context(|| format!("{name} holds an item that is not a map"))
        })
        .collect()
}

fn map<'a>(item: &'a Item, name: &str) -> anyhow::Result<&'a Item> {
    let value = item.get(name).and_then(|value| value.as_m().ok());
    value.with_context(|| format!("{name} is not a map"))
}

fn text(item: &Item, name: &str) -> anyhow::Result<String> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    Ok(value.with_context(|| format!("{name} is not a text"))?.clone())
}

fn uuid(item: &Item, name: &str) -> anyhow::Result<String> {
    let value = item.get(name).and_then(|value| value.as_b().ok());
    let value = value.with_context(|| format!("{name} is not binary"))?;
    Ok(Uuid::from_slice(value.as_ref())?.to_string())
}

fn number<T: std::str::FromStr>(item: &Item, name: &str) -> anyhow::Result<T> {
    let value = item.get(name).and_then(|value| value.as_n().ok());
    let value = value.and_then(|value| value.parse().ok());
    value.with_context(|| format!("{name} is not a number"))
}

/// `None` if the message is not an event.
fn copy(message: StoredMessage) -> Option<EventCopy> {
    let event: serde_json::Value = serde_json::from_slice(&message.body).ok()?;
    let text = |name: &str| Some(event.get(name)?.as_str()?.to_owned());
    Some(EventCopy {
        event_id: text("id")?,
        event_type: text("type")?,
        subject: text("subject")?,
        body: message.body,
        stored_at_ms: message.stored_at_ms,
        publication: message.properties.get(TRANSACTION_ID).cloned(),
        is_recorded: message.properties.contains_key(RECORDED),
    })
}
