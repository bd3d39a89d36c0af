use application::ports::{RecordedEvent, Topic, TransactionState};
use domain::identity::TransactionId;
use domain::instant::Instant;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;
use crate::transaction::COMMITTED_KEPT;

/// The outbox copy of an event: `EVENT#<event_id>`. It has no `expires_at` until it is observed.
#[derive(Debug, Serialize)]
pub(crate) struct EventRecord<'a> {
    pk: String,
    schema_version: u32,
    event_id: String,
    event_type: &'static str,
    topic: &'static str,
    subject: &'a str,
    aggregate_version: u32,
    /// The event in JSON.
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    transaction_id: String,
    /// There when no half message of it was ever sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unpublished: bool,
    /// The index's shard; there until a consumer has seen the event.
    unobserved: String,
    /// The index's order; there as long as `unobserved`.
    sweep_due_ms: i64,
}

impl<'a> From<&'a RecordedEvent> for EventRecord<'a> {
    fn from(event: &'a RecordedEvent) -> Self {
        let message = &event.message;
        Self {
            pk: keys::event(message.event_id),
            schema_version: SCHEMA_VERSION,
            event_id: message.event_id.to_string(),
            event_type: message.event_type.as_str(),
            topic: match message.topic {
                Topic::Orders => "orders",
            },
            subject: &message.subject,
            aggregate_version: message.aggregate_version,
            body: &message.body,
            traceparent: message.traceparent.as_deref(),
            transaction_id: event.transaction_id.to_string(),
            unpublished: event.unpublished,
            unobserved: keys::shard_of(message.event_id),
            sweep_due_ms: event.sweep_due.as_millis(),
        }
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
    pub(crate) fn committed(transaction_id: TransactionId, now: Instant) -> Self {
        Self::new(transaction_id, COMMITTED, now.plus(COMMITTED_KEPT))
    }

    /// That an attempt's local transaction can't be stored any more.
    pub(crate) fn fenced(transaction_id: TransactionId, expires_at: Instant) -> Self {
        Self::new(transaction_id, FENCED, expires_at)
    }

    fn new(transaction_id: TransactionId, state: &str, expires_at: Instant) -> Self {
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
