use std::borrow::Cow;

use application::lifetimes;
use application::ports::{
    OutboundMessage, OutboxCopy, Pending, RecordedEvent, Topic, TransactionState,
};
use contracts::event::EventType;
use domain::identity::TransactionId;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

const ORDERS: &str = "orders";
const USERS: &str = "users";

/// The outbox copy of an event: `EVENT#<event_id>`. It has no `expires_at` until it is observed or
/// dead-lettered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventRecord<'a> {
    pk: String,
    schema_version: u32,
    event_id: String,
    event_type: Cow<'a, str>,
    topic: Cow<'a, str>,
    subject: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aggregate: Option<String>,
    event_version: u32,
    aggregate_version: u32,
    /// The event in JSON.
    body: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    transaction_id: String,
    recorded_at_ms: i64,
    /// There when no half message of it was ever sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unpublished: bool,
    /// The index's shard; there until a consumer has seen the event.
    unobserved: Option<String>,
    /// The index's order; there as long as `unobserved`.
    sweep_due_ms: Option<i64>,
}

impl<'a> From<&'a RecordedEvent> for EventRecord<'a> {
    fn from(event: &'a RecordedEvent) -> Self {
        let message = &event.message;
        Self {
            pk: keys::event(message.event_id),
            schema_version: SCHEMA_VERSION,
            event_id: message.event_id.to_string(),
            event_type: message.event_type.as_str().into(),
            topic: match message.topic {
                Topic::Orders => ORDERS.into(),
                Topic::Users => USERS.into(),
            },
            subject: message.subject.as_str().into(),
            aggregate: message.aggregate.map(|aggregate| aggregate.to_string()),
            event_version: message.schema_version,
            aggregate_version: message.aggregate_version,
            body: message.body.as_str().into(),
            traceparent: message.traceparent.as_deref().map(Into::into),
            transaction_id: event.transaction_id.to_string(),
            recorded_at_ms: event.recorded_at.as_millis(),
            unpublished: event.unpublished,
            unobserved: Some(keys::shard_of(message.event_id)),
            sweep_due_ms: Some(event.sweep_due.as_millis()),
        }
    }
}

impl TryFrom<EventRecord<'_>> for OutboxCopy {
    type Error = CorruptRecord;

    fn try_from(record: EventRecord<'_>) -> Result<Self, CorruptRecord> {
        let topic = match record.topic.as_ref() {
            ORDERS => Topic::Orders,
            USERS => Topic::Users,
            _ => return Err(CorruptRecord::because("the event's topic is unknown")),
        };
        let event_type = EventType::from_name(&record.event_type)
            .ok_or_else(|| CorruptRecord::because("the event's type is unknown"))?;
        let pending = record.unobserved.zip(record.sweep_due_ms);
        Ok(Self {
            message: OutboundMessage {
                topic,
                event_id: record.event_id.parse().map_err(CorruptRecord::because)?,
                event_type,
                subject: record.subject.into_owned(),
                aggregate: record
                    .aggregate
                    .map(|text| text.parse())
                    .transpose()
                    .map_err(CorruptRecord::because)?,
                schema_version: record.event_version,
                aggregate_version: record.aggregate_version,
                body: record.body.into_owned(),
                traceparent: record.traceparent.map(Cow::into_owned),
            },
            transaction_id: record.transaction_id.parse().map_err(CorruptRecord::because)?,
            recorded_at: Timestamp::from_millis(record.recorded_at_ms),
            pending: pending.map(|(_, sweep_due_ms)| Pending {
                unpublished: record.unpublished,
                sweep_due: Timestamp::from_millis(sweep_due_ms),
            }),
        })
    }
}

/// Of an event's outbox copy, which attempt recorded it.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordedBy {
    transaction_id: String,
}

impl RecordedBy {
    /// The attempt.
    pub(crate) fn transaction_id(&self) -> Result<TransactionId, CorruptRecord> {
        self.transaction_id.parse().map_err(CorruptRecord::because)
    }
}

const COMMITTED: &str = "COMMITTED";
const FENCED: &str = "FENCED";

/// The record of an attempt: `TXN#<transaction_id>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransactionRecord {
    pk: String,
    schema_version: u32,
    transaction_id: String,
    state: String,
    expires_at: i64,
}

impl TransactionRecord {
    /// That an attempt's local transaction, under way at `now`, is stored.
    pub(crate) fn committed(transaction_id: TransactionId, now: Timestamp) -> Self {
        Self::new(transaction_id, COMMITTED, now.plus(lifetimes::TRANSACTION))
    }

    /// That an attempt's local transaction can't be stored any more.
    pub(crate) fn fenced(transaction_id: TransactionId, expires_at: Timestamp) -> Self {
        Self::new(transaction_id, FENCED, expires_at)
    }

    fn new(transaction_id: TransactionId, state: &str, expires_at: Timestamp) -> Self {
        Self {
            pk: keys::transaction(transaction_id),
            schema_version: SCHEMA_VERSION,
            transaction_id: transaction_id.to_string(),
            state: state.to_owned(),
            expires_at: expires_at.as_secs(),
        }
    }

    /// What it says.
    pub(crate) fn state(&self) -> Result<TransactionState, CorruptRecord> {
        match self.state.as_str() {
            COMMITTED => Ok(TransactionState::Committed),
            FENCED => Ok(TransactionState::Fenced),
            _ => Err(CorruptRecord::because("an attempt's state is unknown")),
        }
    }
}
