use std::collections::BTreeMap;

use domain::account::{MAIL_REQUEST_LIFETIME, UserEvent, UserEvents, UserFact};
use domain::aggregate::AggregateKey;
use domain::event::EventStamp;
use domain::identity::{EventId, MailId, SessionId, UserId};
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PendingRecord, binary, purpose, since};
use crate::item::{CorruptRecord, Item, from_item};
use crate::keys;

/// An event's stamp, and when the event happened.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StampRecord {
    at_ms: i64,
    #[serde(with = "binary")]
    event_id: [u8; 16],
    event_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

impl StampRecord {
    pub(crate) fn new(stamp: &EventStamp, at: Timestamp) -> Self {
        Self {
            at_ms: at.as_millis(),
            event_id: *stamp.event_id.as_uuid().as_bytes(),
            event_version: stamp.schema_version,
            traceparent: stamp.traceparent.clone(),
        }
    }

    pub(crate) const fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at_ms)
    }

    fn event(self, user_id: UserId, aggregate_version: u32, fact: UserFact) -> UserEvent {
        UserEvent { user_id, aggregate_version, fact, at: self.at(), stamp: self.into() }
    }
}

impl From<StampRecord> for EventStamp {
    fn from(record: StampRecord) -> Self {
        Self {
            event_id: EventId::new(Uuid::from_bytes(record.event_id)),
            schema_version: record.event_version,
            traceparent: record.traceparent,
        }
    }
}

/// The attributes of the pending events of an account, a session or a request for a mail.
#[derive(Debug, Serialize)]
pub(crate) struct PendingAttributes {
    /// The pending events. The map exists from the beginning, because an update cannot add to a map
    /// that does not exist.
    pending: BTreeMap<String, PendingRecord>,
    revision: u64,
    /// The index's shard. This attribute and the next two exist while an event is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    /// The index's sort key: when the earliest pending event is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_ms: Option<i64>,
    /// Since when the oldest event is pending, as of the last change of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<i64>,
}

impl PendingAttributes {
    /// The attributes of a new account or session.
    pub(crate) fn new(key: AggregateKey, pending: &PendingEvents) -> Self {
        let entry = |(event_id, event)| (EventId::to_string(&event_id), PendingRecord::from(event));
        Self {
            pending: pending.iter().map(entry).collect(),
            revision: 1,
            shard: (!pending.is_empty()).then(|| keys::pending_shard(pending.rank(), key)),
            due_ms: pending.due().map(Timestamp::as_millis),
            since_ms: since(pending).map(Timestamp::as_millis),
        }
    }
}

/// The attributes of an account that describe its events. A deleted account still has them.
#[derive(Deserialize)]
struct AccountEvents {
    user_id: u64,
    registration: StampRecord,
    #[serde(default)]
    deletion: Option<StampRecord>,
    version: u32,
    pending: BTreeMap<String, PendingRecord>,
    revision: u64,
}

/// The attributes of a session that describe its event.
#[derive(Deserialize)]
struct SessionEvents {
    user_id: u64,
    login: StampRecord,
    account_version: u32,
    ends_at_ms: i64,
    pending: BTreeMap<String, PendingRecord>,
    revision: u64,
}

/// The attributes of a request for a mail that describe its event.
#[derive(Deserialize)]
struct MailEvents {
    user_id: u64,
    purpose: String,
    request: StampRecord,
    account_version: u32,
    pending: BTreeMap<String, PendingRecord>,
    revision: u64,
}

/// The events of an account.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not this account.
pub(crate) fn account_events(user_id: UserId, item: Item) -> Result<UserEvents, CorruptRecord> {
    let item: AccountEvents = from_item(item)?;
    if item.user_id != user_id.get() {
        return Err(CorruptRecord::because("its key does not match its identifier"));
    }
    let mut raised = vec![item.registration.event(user_id, 1, UserFact::Registered)];
    if let Some(deletion) = item.deletion {
        raised.push(deletion.event(user_id, item.version, UserFact::Deleted));
    }
    Ok(UserEvents {
        key: AggregateKey::Account { user_id },
        raised,
        pending: pending(item.pending)?,
        revision: item.revision,
        expires_at: None,
    })
}

/// The events of a session.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not a session.
pub(crate) fn session_events(
    session_id: SessionId,
    item: Item,
) -> Result<UserEvents, CorruptRecord> {
    let item: SessionEvents = from_item(item)?;
    let user_id = UserId::new(item.user_id).map_err(CorruptRecord::because)?;
    Ok(UserEvents {
        key: AggregateKey::Session { session_id },
        raised: vec![item.login.event(user_id, item.account_version, UserFact::LoggedIn)],
        pending: pending(item.pending)?,
        revision: item.revision,
        expires_at: Some(Timestamp::from_millis(item.ends_at_ms)),
    })
}

/// The events of a request for a mail.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not this request.
pub(crate) fn mail_events(mail_id: MailId, item: Item) -> Result<UserEvents, CorruptRecord> {
    let item: MailEvents = from_item(item)?;
    let user_id = UserId::new(item.user_id).map_err(CorruptRecord::because)?;
    let expires_at = item.request.at().plus(MAIL_REQUEST_LIFETIME);
    let fact = purpose(&item.purpose)?.fact();
    Ok(UserEvents {
        key: AggregateKey::Mail { mail_id },
        raised: vec![item.request.event(user_id, item.account_version, fact)],
        pending: pending(item.pending)?,
        revision: item.revision,
        expires_at: Some(expires_at),
    })
}

fn pending(records: BTreeMap<String, PendingRecord>) -> Result<PendingEvents, CorruptRecord> {
    let entries = records.into_iter().map(|(event_id, entry)| {
        Ok((event_id.parse().map_err(CorruptRecord::because)?, entry.try_into()?))
    });
    entries.collect()
}
