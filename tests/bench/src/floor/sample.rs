//! A sample order of create-order, read from the broker and the table.

use std::time::Duration;

use anyhow::Context;
use application::ports::IdentitySource;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::message;
use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, UserId};
use domain::pending::Rank;
use harness::provision::{DEMO_USER_ID, rocketmq_config};
use platform::identity::UuidIdentitySource;
use rocketmq::admin::StoredMessage;
use rocketmq_model::common::message::MessageTrait;
use rocketmq_model::common::message::message_single::Message;
use uuid::Uuid;

use crate::orders::Posted;
use crate::rig::{Item, Site};

const VISIBLE_LIMIT: Duration = Duration::from_secs(10);

/// The user properties that create-order sets in a message.
const PROPERTIES: [&str; 6] = [
    message::AGGREGATE,
    message::EVENT_ID,
    message::TRANSACTION_ID,
    message::DEADLINE_MS,
    message::SCHEMA_VERSION,
    message::AGGREGATE_VERSION,
];

pub(super) struct Identifiers {
    order_id: Uuid,
    event_id: Uuid,
    pub(super) transaction_id: Uuid,
}

impl Identifiers {
    pub(super) fn new() -> Self {
        Self {
            order_id: *UuidIdentitySource.order_id().as_uuid(),
            event_id: *UuidIdentitySource.event_id().as_uuid(),
            transaction_id: *UuidIdentitySource.transaction_id().as_uuid(),
        }
    }

    const fn all(&self) -> [Uuid; 3] {
        [self.order_id, self.event_id, self.transaction_id]
    }
}

pub(super) struct Sample {
    ids: Identifiers,
    user_id: UserId,
    pub(super) table: String,
    item: Item,
    topic: String,
    /// The group to which the broker sends check-backs of the message.
    checked_group: String,
    tag: String,
    properties: Vec<(&'static str, String)>,
    body: String,
}

impl Sample {
    pub(super) async fn take(site: &Site) -> anyhow::Result<Self> {
        let order_id = Posted::new(site).post().await?;
        let names = &site.system.names;
        let message = tokio::time::timeout(VISIBLE_LIMIT, message_of(site, &order_id))
            .await
            .context("the sample order's event did not arrive on its topic")??;
        let property = |name: &str| -> anyhow::Result<String> {
            let value = message.properties.get(name);
            Ok(value.with_context(|| format!("the sample message has no {name}"))?.clone())
        };
        let ids = Identifiers {
            order_id: Uuid::parse_str(&order_id)?,
            event_id: Uuid::parse_str(&property(message::EVENT_ID)?)?,
            transaction_id: Uuid::parse_str(&property(message::TRANSACTION_ID)?)?,
        };
        let table = site.table_name("OrdersTable")?;
        let key = [("pk", format!("USER#{DEMO_USER_ID}")), ("sk", format!("ORDER#{order_id}"))];
        let item = site.item(&site.table(), &table, &key).await?;
        let properties =
            PROPERTIES.map(|name| property(name).map(|value| (name, value))).into_iter();
        Ok(Self {
            item: item.context("the sample order does not exist")?,
            table,
            topic: names.topic.clone(),
            checked_group: property("PGROUP")?,
            tag: message.tag.clone().context("the sample message has no tag")?,
            properties: properties.collect::<anyhow::Result<_>>()?,
            body: String::from_utf8(message.body.clone())?,
            ids,
            user_id: UserId::new(DEMO_USER_ID)?,
        })
    }

    pub(super) fn message(&self, new: &Identifiers) -> Message {
        let mut message = Message::default();
        message.set_topic(self.topic.as_str().into());
        message.set_tags(self.tag.as_str().into());
        let keys = vec![new.event_id.to_string(), new.order_id.to_string()];
        message.set_keys_from_collection(keys);
        message.set_body(Some(replaced(&self.body, &self.ids, new).into_bytes().into()));
        message.put_property("TRAN_MSG".into(), "true".into());
        message.put_property("PGROUP".into(), self.checked_group.as_str().into());
        for (name, value) in &self.properties {
            message.put_property((*name).into(), replaced(value, &self.ids, new).into());
        }
        message
    }

    pub(super) fn addressed_to(&self) -> (&str, &str) {
        (&self.topic, &self.checked_group)
    }

    /// The body and the properties of a half message, as the client sends them.
    pub(super) fn raw_message(&self, new: &Identifiers) -> (Vec<u8>, Vec<(&'static str, String)>) {
        let mut properties = vec![
            ("TRAN_MSG", "true".to_owned()),
            ("PGROUP", self.checked_group.clone()),
            ("TAGS", self.tag.clone()),
            ("KEYS", format!("{} {}", new.event_id, new.order_id)),
            ("UNIQ_KEY", new.event_id.simple().to_string().to_uppercase()),
        ];
        let copied = self.properties.iter();
        properties.extend(copied.map(|(name, value)| (*name, replaced(value, &self.ids, new))));
        (replaced(&self.body, &self.ids, new).into_bytes(), properties)
    }

    pub(super) fn item(&self, new: &Identifiers) -> Item {
        let mut item = renamed(&self.item, &self.ids, new);
        let key =
            AggregateKey::Order { user_id: self.user_id, order_id: OrderId::new(new.order_id) };
        let shard = dynamodb::keys::pending_shard(Rank::First, key);
        item.insert("shard".to_owned(), AttributeValue::S(shard));
        item
    }
}

/// A message becomes visible a moment after its commit.
async fn message_of(site: &Site, order_id: &str) -> anyhow::Result<StoredMessage> {
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

/// Identifiers occur in texts, in binary attributes and as names in maps.
fn renamed(item: &Item, old: &Identifiers, new: &Identifiers) -> Item {
    item.iter()
        .map(|(name, value)| (replaced(name, old, new), renamed_value(value, old, new)))
        .collect()
}

fn renamed_value(value: &AttributeValue, old: &Identifiers, new: &Identifiers) -> AttributeValue {
    match value {
        AttributeValue::S(text) => AttributeValue::S(replaced(text, old, new)),
        AttributeValue::B(bytes) => {
            let mut renamed = old.all().into_iter().zip(new.all());
            let renamed = renamed.find(|(old, _)| old.as_bytes() == bytes.as_ref());
            renamed.map_or_else(
                || value.clone(),
                |(_, new)| AttributeValue::B(Blob::new(new.as_bytes())),
            )
        }
        AttributeValue::L(list) => {
            AttributeValue::L(list.iter().map(|value| renamed_value(value, old, new)).collect())
        }
        AttributeValue::M(map) => AttributeValue::M(renamed(map, old, new)),
        other => other.clone(),
    }
}

fn replaced(text: &str, old: &Identifiers, new: &Identifiers) -> String {
    old.all()
        .into_iter()
        .zip(new.all())
        .fold(text.to_owned(), |text, (old, new)| text.replace(&old.to_string(), &new.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_gets_new_identifiers_everywhere() {
        let ids = |mark: u128| Identifiers {
            order_id: Uuid::from_u128(mark),
            event_id: Uuid::from_u128(mark + 1),
            transaction_id: Uuid::from_u128(mark + 2),
        };
        let text = |text: String| AttributeValue::S(text);
        let binary = |id: Uuid| AttributeValue::B(Blob::new(id.as_bytes()));
        let item = |ids: &Identifiers| {
            let entry = Item::from([("transaction_id".to_owned(), binary(ids.transaction_id))]);
            let change = Item::from([("event_id".to_owned(), binary(ids.event_id))]);
            Item::from([
                ("sk".to_owned(), text(format!("ORDER#{}", ids.order_id))),
                ("attempt".to_owned(), binary(ids.transaction_id)),
                ("history".to_owned(), AttributeValue::L(vec![AttributeValue::M(change)])),
                (
                    "pending".to_owned(),
                    AttributeValue::M(Item::from([(
                        ids.event_id.to_string(),
                        AttributeValue::M(entry),
                    )])),
                ),
                ("other".to_owned(), binary(Uuid::nil())),
                ("n".to_owned(), AttributeValue::N("1".to_owned())),
            ])
        };
        let (old, new) = (ids(10), ids(20));
        assert_eq!(renamed(&item(&old), &old, &new), item(&new));
    }
}
