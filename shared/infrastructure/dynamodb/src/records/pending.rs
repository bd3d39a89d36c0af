use std::collections::BTreeSet;

use domain::identity::TransactionId;
use domain::pending::{PendingEvent, Publication};
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::binary;
use crate::item::CorruptRecord;

const UNSENT: &str = "unsent";
const SENT: &str = "sent";
const FOUND: &str = "found";

/// A pending event in its aggregate's `pending`. Attributes that rarely have a value are left out
/// when they have none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PendingRecord {
    since_ms: i64,
    #[serde(with = "binary")]
    transaction_id: [u8; 16],
    publication: String,
    /// Left out if it equals `since_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at_ms: Option<i64>,
    due_ms: i64,
    #[serde(
        with = "serde_dynamo::string_set",
        default,
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    done_by: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    copies: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unanswered_since_ms: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl From<&PendingEvent> for PendingRecord {
    fn from(event: &PendingEvent) -> Self {
        Self {
            since_ms: event.since.as_millis(),
            transaction_id: *event.transaction_id.as_uuid().as_bytes(),
            publication: match event.publication {
                Publication::Unsent => UNSENT,
                Publication::Sent => SENT,
                Publication::Found => FOUND,
            }
            .to_owned(),
            published_at_ms: (event.published_at != event.since)
                .then(|| event.published_at.as_millis()),
            due_ms: event.due.as_millis(),
            done_by: event.done_by.clone(),
            failures: event.failures,
            copies: event.copies,
            unanswered_since_ms: event.unanswered_since.map(Timestamp::as_millis),
        }
    }
}

impl TryFrom<PendingRecord> for PendingEvent {
    type Error = CorruptRecord;

    fn try_from(record: PendingRecord) -> Result<Self, CorruptRecord> {
        Ok(Self {
            since: Timestamp::from_millis(record.since_ms),
            transaction_id: TransactionId::new(Uuid::from_bytes(record.transaction_id)),
            publication: match record.publication.as_str() {
                UNSENT => Publication::Unsent,
                SENT => Publication::Sent,
                FOUND => Publication::Found,
                _ => return Err(CorruptRecord::because("an event's publication is unknown")),
            },
            published_at: Timestamp::from_millis(record.published_at_ms.unwrap_or(record.since_ms)),
            due: Timestamp::from_millis(record.due_ms),
            done_by: record.done_by,
            failures: record.failures,
            copies: record.copies,
            unanswered_since: record.unanswered_since_ms.map(Timestamp::from_millis),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::to_item;

    fn read_back(event: &PendingEvent) -> PendingEvent {
        let item = to_item(&PendingRecord::from(event)).unwrap();
        let record: PendingRecord = serde_dynamo::from_item(item).unwrap();
        record.try_into().unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_entry_is_read_as_it_was_stored() {
        let attempt = TransactionId::new(Uuid::from_u128(7));
        let new = PendingEvent::sent(attempt, at(1), at(60_001));
        assert_eq!(read_back(&new), new);
        for publication in [Publication::Unsent, Publication::Sent, Publication::Found] {
            let touched = PendingEvent {
                publication,
                published_at: at(4),
                done_by: BTreeSet::from(["inventory".to_owned(), "points".to_owned()]),
                failures: 3,
                copies: 1,
                unanswered_since: Some(at(5)),
                ..new.clone()
            };
            assert_eq!(read_back(&touched), touched);
        }
    }

    #[test]
    fn a_new_entry_has_four_attributes() {
        let attempt = TransactionId::new(Uuid::from_u128(7));
        let item = to_item(&PendingRecord::from(&PendingEvent::unsent(attempt, at(1)))).unwrap();
        let mut names: Vec<_> = item.keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["due_ms", "publication", "since_ms", "transaction_id"]);
    }
}
