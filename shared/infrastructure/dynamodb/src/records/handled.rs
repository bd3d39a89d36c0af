use application::ports::{DeadLetter, IdempotencyKey, IdempotencyRecord, InboxRecord, RequestHash};
use domain::identity::UserId;
use domain::instant::Instant;
use serde::{Deserialize, Serialize, Serializer};

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
            expires_at: Instant::from_millis(item.expires_at_ms),
        })
    }
}

/// A dead letter: `DEAD#<event_id>`, or `DEAD#<message_id>` where the event couldn't be read.
#[derive(Debug, Serialize)]
pub(crate) struct DeadLetterRecord<'a> {
    pk: String,
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    message_id: &'a str,
    #[serde(serialize_with = "as_text_or_bytes")]
    body: &'a [u8],
    /// How long the body was, in bytes; the stored one may be cut off.
    body_length: usize,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<&'static str>,
    attempts: u32,
    first_failed_at_ms: i64,
    expires_at: i64,
}

impl DeadLetterRecord<'_> {
    /// How much of a body is kept, in bytes, so that the item stays within `DynamoDB`'s 400 KB. A
    /// letter without its end is better than none: it would come again for ever.
    pub(crate) const BODY_BYTES_MAX: usize = 300 * 1024;

    /// How much of a reason is kept, in characters.
    const REASON_CHARS_MAX: usize = 2_000;
}

impl<'a> From<&'a DeadLetter> for DeadLetterRecord<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        Self {
            pk: keys::dead_letter(letter),
            schema_version: SCHEMA_VERSION,
            event_id: letter.event_id.map(|id| id.to_string()),
            message_id: &letter.message_id,
            body: letter.body.get(..Self::BODY_BYTES_MAX).unwrap_or(&letter.body),
            body_length: letter.body.len(),
            reason: letter.reason.chars().take(Self::REASON_CHARS_MAX).collect(),
            handler: letter.handler,
            attempts: letter.attempts,
            first_failed_at_ms: letter.first_failed_at.as_millis(),
            expires_at: letter.expires_at.as_secs(),
        }
    }
}

/// A text that operators can read, as long as it is one.
fn as_text_or_bytes<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(body) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => serializer.serialize_bytes(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::to_item;

    fn letter(body: Vec<u8>) -> DeadLetter {
        DeadLetter {
            event_id: None,
            message_id: "7F00000100002A9F".to_owned(),
            body,
            reason: "not a CloudEvent".to_owned(),
            handler: None,
            attempts: 1,
            first_failed_at: Instant::from_millis(1_000),
            expires_at: Instant::from_millis(2_000),
        }
    }

    #[test]
    fn a_body_is_stored_as_text_where_it_is_one() {
        let item = to_item(&DeadLetterRecord::from(&letter(b"{}".to_vec()))).unwrap();
        assert_eq!(item["body"].as_s().unwrap(), "{}");
        let item = to_item(&DeadLetterRecord::from(&letter(vec![0xff, 0]))).unwrap();
        assert_eq!(item["body"].as_b().unwrap().as_ref(), [0xff, 0]);
    }

    #[test]
    fn a_body_that_no_item_could_hold_is_cut_off() {
        let item = to_item(&DeadLetterRecord::from(&letter(vec![b'a'; 500_000]))).unwrap();
        assert_eq!(item["body"].as_s().unwrap().len(), DeadLetterRecord::BODY_BYTES_MAX);
        assert_eq!(item["body_length"].as_n().unwrap(), "500000");
    }
}
