//! What handlers do besides moving stock: each effect together with its inbox record.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{EffectCancelled, Inbox, InboxRecord, Notifications, Observations};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identity::{OrderId, UserId};
use domain::order::Notification;
use domain::timestamp::Timestamp;

use crate::config::{EventsTable, OrdersTable};
use crate::expression::{Change, PRESENT};
use crate::item::{number, to_item};
use crate::keys;
use crate::records::{InboxItem, NotificationRecord};
use crate::transaction::{Part, Transaction, effect_cancelled, write};

/// A transaction that begins with the inbox record. It needs no token of its own: the record makes
/// a second try of it a cancelled one.
pub(crate) fn with_inbox(
    events: &EventsTable,
    inbox: &InboxRecord,
) -> Result<Transaction, Failure> {
    Transaction::default().put_if_absent(events.as_str(), &InboxItem::from(inbox))
}

/// Writes inbox records by themselves.
#[derive(Debug, Clone)]
pub struct DynamoInbox {
    client: Client,
    events: EventsTable,
}

impl DynamoInbox {
    /// Writes to this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }
}

impl Inbox for DynamoInbox {
    async fn record(&self, record: &InboxRecord, deadline: Deadline) -> WriteTry<EffectCancelled> {
        let transaction = with_inbox(&self.events, record);
        write(transaction, &self.client, deadline, |reasons| {
            effect_cancelled(reasons, &[Part::Inbox])
        })
        .await
    }
}

/// Takes observed events out of the index.
#[derive(Debug, Clone)]
pub struct DynamoObservations {
    client: Client,
    events: EventsTable,
}

impl DynamoObservations {
    /// Writes to this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }

    fn transaction(
        &self,
        inbox: &InboxRecord,
        keep_event_until: Timestamp,
    ) -> Result<Transaction, Failure> {
        let observed = Change {
            key: keys::simple(keys::event(inbox.event_id)),
            update: "SET #expires_at = :until REMOVE #unobserved, #sweep_due_ms, #unpublished",
            condition: PRESENT,
            values: vec![(":until", number(keep_event_until.as_secs()))],
        };
        with_inbox(&self.events, inbox)?.update(self.events.as_str(), observed)
    }
}

impl Observations for DynamoObservations {
    async fn observe(
        &self,
        inbox: &InboxRecord,
        keep_event_until: Timestamp,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let transaction = self.transaction(inbox, keep_event_until);
        write(transaction, &self.client, deadline, |reasons| {
            effect_cancelled(reasons, &[Part::Inbox, Part::Subject])
        })
        .await
    }
}

/// Adds notifications to orders.
#[derive(Debug, Clone)]
pub struct DynamoNotifications {
    client: Client,
    orders: OrdersTable,
    events: EventsTable,
}

impl DynamoNotifications {
    /// Writes to these tables.
    pub const fn new(client: Client, orders: OrdersTable, events: EventsTable) -> Self {
        Self { client, orders, events }
    }

    fn transaction(
        &self,
        inbox: &InboxRecord,
        user_id: UserId,
        order_id: OrderId,
        notification: &Notification,
    ) -> Result<Transaction, Failure> {
        let told = AttributeValue::M(to_item(&NotificationRecord::from(notification))?);
        let notified = Change {
            key: keys::of_order(user_id, order_id),
            update: "SET #notifications = list_append(#notifications, :told)",
            condition: PRESENT,
            values: vec![(":told", AttributeValue::L(vec![told]))],
        };
        with_inbox(&self.events, inbox)?.update(self.orders.as_str(), notified)
    }
}

impl Notifications for DynamoNotifications {
    async fn notify(
        &self,
        inbox: &InboxRecord,
        user_id: UserId,
        order_id: OrderId,
        notification: &Notification,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let transaction = self.transaction(inbox, user_id, order_id, notification);
        write(transaction, &self.client, deadline, |reasons| {
            effect_cancelled(reasons, &[Part::Inbox, Part::Subject])
        })
        .await
    }
}
