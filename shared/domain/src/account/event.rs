//! The events of accounts, sessions and mails.

use crate::aggregate::AggregateKey;
use crate::event::EventStamp;
use crate::identity::{EventId, UserId};
use crate::pending::PendingEvents;
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvent {
    pub user_id: UserId,
    /// The account's version with this event. It gives the sequence of a user's events, in whatever
    /// sequence they are delivered. A request for a mail changes no account, so its event has the
    /// version that the account has at that time.
    pub aggregate_version: u32,
    pub fact: UserFact,
    pub at: Timestamp,
    pub stamp: EventStamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserFact {
    /// The user registered an account. The account raised it.
    Registered,
    /// The user logged in with the password. The new session raised it.
    LoggedIn,
    /// The user deleted the account. What is left of the account raised it.
    Deleted,
    /// A mail is to confirm the account's address. The request for the mail raised it, like the
    /// next two.
    EmailConfirmationRequested,
    /// A mail is to confirm the address that the account is to get.
    EmailChangeRequested,
    /// A mail is to let somebody who forgot the password choose another one.
    PasswordResetRequested,
}

/// The events of an account, a session or a mail. Code that handles events does not change anything
/// else that is stored in the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvents {
    pub key: AggregateKey,
    /// The events that the aggregate raised, the oldest first.
    pub raised: Vec<UserEvent>,
    pub pending: PendingEvents,
    /// How many writes have changed what is pending. Each write is conditional on it, so no write
    /// undoes another one. Unlike the account's version it also rises without an event.
    pub revision: u64,
    /// When the item expires once all of its events are handled; `None` if it never does.
    pub expires_at: Option<Timestamp>,
}

impl UserEvents {
    pub fn event(&self, event_id: EventId) -> Option<&UserEvent> {
        self.raised.iter().find(|event| event.stamp.event_id == event_id)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_is_found_by_its_identifier() {
        let id = |number| EventId::new(Uuid::from_u128(number));
        let user_id = UserId::new(1).unwrap();
        let raised = [(1, UserFact::Registered), (2, UserFact::Deleted)].map(|(number, fact)| {
            let stamp = EventStamp::untraced(id(number), 1);
            UserEvent { user_id, aggregate_version: 1, fact, at: Timestamp::from_millis(0), stamp }
        });
        let events = UserEvents {
            key: AggregateKey::Account { user_id },
            raised: raised.to_vec(),
            pending: PendingEvents::default(),
            revision: 1,
            expires_at: None,
        };
        assert_eq!(events.event(id(2)), Some(&raised[1]));
        assert_eq!(events.event(id(3)), None);
    }
}
