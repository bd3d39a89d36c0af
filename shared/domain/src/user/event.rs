//! The events of accounts and sessions.

use crate::aggregate::AggregateKey;
use crate::event::EventStamp;
use crate::identity::{EventId, UserId};
use crate::pending::PendingEvents;
use crate::timestamp::Timestamp;

/// Something that has become true of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvent {
    /// Of which user.
    pub user_id: UserId,
    /// The account's version with this event: the order of a user's events, whatever the order of
    /// their delivery.
    pub aggregate_version: u32,
    /// What.
    pub fact: UserFact,
    /// When.
    pub at: Timestamp,
    /// How it is published.
    pub stamp: EventStamp,
}

/// What can become true of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserFact {
    /// The user registered an account, which raised it.
    Registered,
    /// The user logged in with the password. The session that began raised it.
    LoggedIn,
    /// The user deleted the account. What is left of that raised it.
    Deleted,
}

/// An account or a session as far as its events go. Whoever deals with events leaves everything else
/// that is stored with it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvents {
    /// Names the account or the session.
    pub key: AggregateKey,
    /// What it raised, the oldest first.
    pub raised: Vec<UserEvent>,
    /// Which of these are not handled yet.
    pub pending: PendingEvents,
    /// How many writes have changed what is pending: each of them is conditional on it, so none
    /// undoes another's. Unlike the account's version it rises without an event.
    pub revision: u64,
    /// When it is deleted, if that is ever, once all of its events are handled.
    pub expires_at: Option<Timestamp>,
}

impl UserEvents {
    /// An event that it raised.
    pub fn event(&self, event_id: EventId) -> Option<&UserEvent> {
        self.raised.iter().find(|event| event.stamp.event_id == event_id)
    }
}
