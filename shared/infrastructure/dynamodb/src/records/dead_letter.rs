use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use application::ports::{DeadLetter, DeadLetterSummary, MessageId};
use domain::timestamp::Timestamp;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

/// A dead letter: `DEAD#<event_id>`, or `DEAD#<message_id>` if the event could not be read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeadLetterRecord<'a> {
    pk: String,
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    message_id: Cow<'a, str>,
    body: Body<'a>,
    /// The original length of the body, in bytes; the stored body may be cut off.
    body_length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handler: Option<Cow<'a, str>>,
    attempts: u32,
    first_failed_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aggregate: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    done_by: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// The type and the subject of the event in the body, for lists: the index does not have the
    /// body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

/// The attributes of a dead letter that are in the index `summaries`.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadLetterSummaryRecord {
    pk: String,
    #[serde(default)]
    event_id: Option<String>,
    message_id: String,
    body_length: usize,
    reason: String,
    #[serde(default)]
    handler: Option<String>,
    attempts: u32,
    first_failed_at_ms: i64,
    #[serde(default)]
    aggregate: Option<String>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    event_type: Option<String>,
    #[serde(default)]
    subject: Option<String>,
}

impl TryFrom<DeadLetterSummaryRecord> for DeadLetterSummary {
    type Error = CorruptRecord;

    fn try_from(record: DeadLetterSummaryRecord) -> Result<Self, CorruptRecord> {
        let id = keys::dead_letter_of(&record.pk)
            .ok_or_else(|| CorruptRecord::because("its key is not a dead letter's"))?;
        Ok(Self {
            id,
            event_id: parsed(record.event_id)?,
            aggregate: parsed(record.aggregate)?,
            message_id: message_id(&record.message_id)?,
            event_type: record.event_type,
            subject: record.subject,
            handler: record.handler,
            reason: record.reason,
            attempts: record.attempts,
            first_failed_at: Timestamp::from_millis(record.first_failed_at_ms),
            expires_at: record.expires_at.map(from_seconds),
            body_bytes: record.body_length,
        })
    }
}

fn parsed<Value>(text: Option<String>) -> Result<Option<Value>, CorruptRecord>
where
    Value: FromStr<Err: fmt::Display>,
{
    text.map(|text| text.parse().map_err(CorruptRecord::because)).transpose()
}

fn message_id(text: &str) -> Result<MessageId, CorruptRecord> {
    MessageId::parse(text).map_err(CorruptRecord::because)
}

fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1_000))
}

impl DeadLetterRecord<'_> {
    /// How much of a body is kept, in bytes, so that the item stays within `DynamoDB`'s 400 KB. A
    /// letter with a shortened body is better than none: the message would be delivered again for
    /// ever.
    pub(crate) const BODY_BYTES_MAX: usize = 300 * 1024;

    /// How much of a reason is kept, in characters.
    const REASON_CHARS_MAX: usize = 2_000;
}

impl<'a> From<&'a DeadLetter> for DeadLetterRecord<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let body = letter.body.get(..Self::BODY_BYTES_MAX).unwrap_or(&letter.body);
        let (event_type, subject) = letter.type_and_subject();
        Self {
            pk: keys::dead_letter(&letter.id()),
            schema_version: SCHEMA_VERSION,
            event_id: letter.event_id.map(|id| id.to_string()),
            message_id: letter.message_id.as_str().into(),
            body: Body(body.into()),
            body_length: letter.body_bytes,
            traceparent: letter.traceparent.as_deref().map(Into::into),
            reason: letter.reason.chars().take(Self::REASON_CHARS_MAX).collect(),
            handler: letter.handler.as_deref().map(Into::into),
            attempts: letter.attempts,
            first_failed_at_ms: letter.first_failed_at.as_millis(),
            aggregate: letter.aggregate.map(|aggregate| aggregate.to_string()),
            done_by: letter.done_by.clone(),
            expires_at: letter.expires_at.map(Timestamp::as_secs),
            event_type,
            subject,
        }
    }
}

impl TryFrom<DeadLetterRecord<'_>> for DeadLetter {
    type Error = CorruptRecord;

    fn try_from(record: DeadLetterRecord<'_>) -> Result<Self, CorruptRecord> {
        Ok(Self {
            event_id: parsed(record.event_id)?,
            message_id: message_id(&record.message_id)?,
            body: record.body.0.into_owned(),
            body_bytes: record.body_length,
            traceparent: record.traceparent.map(Cow::into_owned),
            reason: record.reason,
            handler: record.handler.map(Cow::into_owned),
            attempts: record.attempts,
            first_failed_at: Timestamp::from_millis(record.first_failed_at_ms),
            aggregate: parsed(record.aggregate)?,
            done_by: record.done_by,
            expires_at: record.expires_at.map(from_seconds),
        })
    }
}

/// A message's body: a string that operators can read if it is UTF-8, otherwise binary.
#[derive(Debug)]
struct Body<'a>(Cow<'a, [u8]>);

impl Serialize for Body<'_> {
    fn serialize<Output: Serializer>(
        &self,
        serializer: Output,
    ) -> Result<Output::Ok, Output::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Body<'_> {
    fn deserialize<Input: Deserializer<'de>>(deserializer: Input) -> Result<Self, Input::Error> {
        deserializer.deserialize_any(TextOrBytes).map(|bytes| Self(bytes.into()))
    }
}

struct TextOrBytes;

impl Visitor<'_> for TextOrBytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or bytes")
    }

    fn visit_str<Fault: Error>(self, text: &str) -> Result<Vec<u8>, Fault> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_bytes<Fault: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{from_item, to_item};

    fn letter(body: Vec<u8>) -> DeadLetter {
        DeadLetter {
            event_id: None,
            message_id: MessageId::of("7F00000100002A9F"),
            body_bytes: body.len(),
            body,
            traceparent: None,
            reason: "not a CloudEvent".to_owned(),
            handler: None,
            attempts: 1,
            first_failed_at: Timestamp::from_millis(1_000),
            aggregate: None,
            done_by: BTreeSet::from(["counter".to_owned()]),
            expires_at: Some(Timestamp::from_millis(2_000)),
        }
    }

    fn read_back(letter: &DeadLetter) -> DeadLetter {
        let item = to_item(&DeadLetterRecord::from(letter)).unwrap();
        from_item::<DeadLetterRecord<'_>>(item).unwrap().try_into().unwrap()
    }

    #[test]
    fn a_body_is_stored_as_a_string_if_it_is_utf_8() {
        let item = to_item(&DeadLetterRecord::from(&letter(b"{}".to_vec()))).unwrap();
        assert_eq!(item["body"].as_s().unwrap(), "{}");
        let item = to_item(&DeadLetterRecord::from(&letter(vec![0xff, 0]))).unwrap();
        assert_eq!(item["body"].as_b().unwrap().as_ref(), [0xff, 0]);
    }

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        for body in [b"{}".to_vec(), vec![0xff, 0], Vec::new()] {
            let letter = letter(body);
            assert_eq!(read_back(&letter), letter);
        }
    }

    #[test]
    fn a_body_that_is_too_long_for_an_item_is_cut_off() {
        let letter = letter(vec![b'a'; 500_000]);
        let item = to_item(&DeadLetterRecord::from(&letter)).unwrap();
        assert_eq!(item["body"].as_s().unwrap().len(), DeadLetterRecord::BODY_BYTES_MAX);
        assert_eq!(item["body_length"].as_n().unwrap(), "500000");
        let read = read_back(&letter);
        assert_eq!((read.body.len(), read.body_bytes), (DeadLetterRecord::BODY_BYTES_MAX, 500_000));
        assert!(letter.is_whole() && !read.is_whole());
    }
}
