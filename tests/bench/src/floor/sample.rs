//! An order that create-order took, as the broker and the table hold it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use application::ports::IdentitySource;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::message;
use harness::provision::{DEMO_USER_ID, rocketmq_config};
use platform::identity::UuidIdentitySource;
use rocketmq::admin::StoredMessage;
use rocketmq_model::common::message::MessageTrait;
use rocketmq_model::common::message::message_single::Message;

use crate::orders::Posted;
use crate::rig::{Item, Site};

/// How long a committed message may take to become visible.
const VISIBLE_LIMIT: Duration = Duration::from_secs(10);

/// The user properties that create-order gives a message.
const PROPERTIES: [&str; 5] = [
    message::EVENT_ID,
    message::TRANSACTION_ID,
    message::DEADLINE_MS,
    message::SCHEMA_VERSION,
    message::AGGREGATE_VERSION,
];

/// What an order is known by.
pub(super) struct Identifiers {
    order_id: String,
    event_id: String,
    pub(super) transaction_id: String,
}

impl Identifiers {
    pub(super) fn new() -> Self {
        Self {
            order_id: UuidIdentitySource.order_id().to_string(),
            event_id: UuidIdentitySource.event_id().to_string(),
            transaction_id: UuidIdentitySource.transaction_id().to_string(),
        }
    }
}

/// A message and its items.
pub(super) struct Sample {
    pub(super) ids: Identifiers,
    /// The items of the local transaction, each with its table's name.
    pub(super) items: Vec<(String, Item)>,
    topic: String,
    /// The group that the broker asks about the message.
    checked_group: String,
    tag: String,
    properties: Vec<(&'static str, String)>,
    body: String,
}

impl Sample {
    /// Places an order and reads what came of it.
    pub(super) async fn take(site: &Site) -> anyhow::Result<Self> {
        let order_id = Posted::new(site).post().await?;
        let names = &site.system.names;
        let message = tokio::time::timeout(VISIBLE_LIMIT, told(site, &order_id))
            .await
            .context("the sample order's event does not come to its topic")??;
        let property = |name: &str| -> anyhow::Result<String> {
            let value = message.properties.get(name);
            Ok(value.with_context(|| format!("the sample message has no {name}"))?.clone())
        };
        let ids = Identifiers {
            order_id,
            event_id: property(message::EVENT_ID)?,
            transaction_id: property(message::TRANSACTION_ID)?,
        };
        let properties =
            PROPERTIES.map(|name| property(name).map(|value| (name, value))).into_iter();
        Ok(Self {
            items: items(site, &ids).await?,
            topic: names.topic.clone(),
            checked_group: property("PGROUP")?,
            tag: message.tag.clone().context("the sample message has no tag")?,
            properties: properties.collect::<anyhow::Result<_>>()?,
            body: String::from_utf8(message.body.clone())?,
            ids,
        })
    }

    /// The half message of another order.
    pub(super) fn message(&self, new: &Identifiers) -> Message {
        let mut message = Message::default();
        message.set_topic(self.topic.as_str().into());
        message.set_tags(self.tag.as_str().into());
        message.set_keys_from_collection(vec![new.event_id.clone(), new.order_id.clone()]);
        message.set_body(Some(replaced(&self.body, &self.ids, new).into_bytes().into()));
        message.put_property("TRAN_MSG".into(), "true".into());
        message.put_property("PGROUP".into(), self.checked_group.as_str().into());
        for (name, value) in &self.properties {
            message.put_property((*name).into(), replaced(value, &self.ids, new).into());
        }
        message
    }
}

/// The message of an order. A committed message is visible a moment after its commit.
async fn told(site: &Site, order_id: &str) -> anyhow::Result<StoredMessage> {
    let names = &site.system.names;
    loop {
        let config = rocketmq_config(&site.system.endpoints, names)?;
        let messages = rocketmq::admin::read_topic(config, &names.topic).await?;
        let found = messages.into_iter().find(|m| m.keys.iter().any(|key| key == order_id));
        if let Some(message) = found {
            return Ok(message);
        }
    }
}

/// The items that the sample's local transaction stored.
async fn items(site: &Site, ids: &Identifiers) -> anyhow::Result<Vec<(String, Item)>> {
    let (orders, events) = (site.table_name("OrdersTable")?, site.table_name("EventsTable")?);
    let user = format!("USER#{DEMO_USER_ID}");
    let keys = [
        (&orders, vec![("pk", user), ("sk", format!("ORDER#{}", ids.order_id))]),
        (&events, vec![("pk", format!("EVENT#{}", ids.event_id))]),
        (&events, vec![("pk", format!("TXN#{}", ids.transaction_id))]),
    ];
    let client = site.table();
    let mut items = Vec::with_capacity(keys.len());
    for (table, key) in keys {
        let item = site.item(&client, table, &key).await?;
        items.push((table.clone(), item.with_context(|| format!("there is no item {key:?}"))?));
    }
    Ok(items)
}

/// An item under other identifiers.
pub(super) fn renamed(item: &Item, old: &Identifiers, new: &Identifiers) -> Item {
    item.iter().map(|(name, value)| (name.clone(), renamed_value(value, old, new))).collect()
}

fn renamed_value(value: &AttributeValue, old: &Identifiers, new: &Identifiers) -> AttributeValue {
    match value {
        AttributeValue::S(text) => AttributeValue::S(replaced(text, old, new)),
        AttributeValue::L(list) => {
            AttributeValue::L(list.iter().map(|value| renamed_value(value, old, new)).collect())
        }
        AttributeValue::M(map) => {
            let renamed = map.iter().map(|(k, v)| (k.clone(), renamed_value(v, old, new)));
            AttributeValue::M(renamed.collect::<HashMap<_, _>>())
        }
        other => other.clone(),
    }
}

fn replaced(text: &str, old: &Identifiers, new: &Identifiers) -> String {
    text.replace(&old.order_id, &new.order_id)
        .replace(&old.event_id, &new.event_id)
        .replace(&old.transaction_id, &new.transaction_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_gets_new_identifiers_wherever_they_stand() {
        let ids = |mark: &str| Identifiers {
            order_id: format!("order-{mark}"),
            event_id: format!("event-{mark}"),
            transaction_id: format!("transaction-{mark}"),
        };
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = |mark: &str| {
            Item::from([
                ("pk".to_owned(), text(&format!("EVENT#event-{mark}"))),
                ("in".to_owned(), AttributeValue::L(vec![text(&format!("transaction-{mark}"))])),
                (
                    "of".to_owned(),
                    AttributeValue::M(Item::from([(
                        "id".to_owned(),
                        text(&format!("order-{mark}")),
                    )])),
                ),
                ("n".to_owned(), AttributeValue::N("1".to_owned())),
            ])
        };
        assert_eq!(renamed(&item("a"), &ids("a"), &ids("b")), item("b"));
    }
}
