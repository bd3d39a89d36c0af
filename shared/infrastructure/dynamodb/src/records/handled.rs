use application::ports::{IdempotencyKey, IdempotencyRecord, InboxRecord, RequestHash};
use domain::identity::UserId;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

/// That a handler has done its part for an event: `INBOX#<handler>#<event_id>`.
#[derive(Debug, Serialize)]
pub(crate) struct InboxItem {
    pk: String,
    schema_version: u32,
    handler: &'static str,
    event_id: String,
    handled_at_ms: i64,
    expires_at: i64,
}

impl From<&InboxRecord> for InboxItem {
    fn from(record: &InboxRecord) -> Self {
        Self {
            pk: keys::inbox(record.handler, record.event_id),
            schema_version: SCHEMA_VERSION,
            handler: record.handler,
            event_id: record.event_id.to_string(),
            handled_at_ms: record.at.as_millis(),
            expires_at: record.expires_at.as_secs(),
        }
    }
}

/// What is remembered under a user's key: `IDEM#<user_id>#<key>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IdempotencyItem {
    pk: String,
    schema_version: u32,
    user_id: u64,
    request_hash: String,
    order_id: String,
    /// The body that the request was answered with.
    answer: String,
    transaction_id: String,
    /// By which the record is judged: a key may be used anew from this moment on, whether
    /// `DynamoDB` has deleted the record or not.
    expires_at_ms: i64,
    expires_at: i64,
}

impl IdempotencyItem {
    /// That a record can be replaced at `:now`.
    pub(crate) const ABSENT_OR_EXPIRED: &str =
        "attribute_not_exists(#pk) OR #expires_at_ms <= :now";

    /// The item of a record.
    pub(crate) fn new(user_id: UserId, key: &IdempotencyKey, record: &IdempotencyRecord) -> Self {
        Self {
            pk: keys::idempotency(user_id, key),
            schema_version: SCHEMA_VERSION,
            user_id: user_id.get(),
            request_hash: record.request_hash.to_string(),
            order_id: record.order_id.to_string(),
            answer: record.answer.clone(),
            transaction_id: record.transaction_id.to_string(),
            expires_at_ms: record.expires_at.as_millis(),
            expires_at: record.expires_at.as_secs(),
        }
    }
}

impl TryFrom<IdempotencyItem> for IdempotencyRecord {
    type Error = CorruptRecord;

    fn try_from(item: IdempotencyItem) -> Result<Self, CorruptRecord> {
        Ok(Self {
            request_hash: RequestHash::parse(&item.request_hash)
                .ok_or_else(|| CorruptRecord::because("a request's hash is none"))?,
            order_id: item.order_id.parse().map_err(CorruptRecord::because)?,
            answer: item.answer,
            transaction_id: item.transaction_id.parse().map_err(CorruptRecord::because)?,
            expires_at: Timestamp::from_millis(item.expires_at_ms),
        })
    }
}
