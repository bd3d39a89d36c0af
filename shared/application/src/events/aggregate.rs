use contracts::event::{EventType, SCHEMA_VERSION};
use domain::account::UserEvents;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::order::StoredOrder;
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;

use crate::event::{event_type_of, event_type_of_fact, order_message, user_message};
use crate::ports::OutboundMessage;
use crate::ports::pending::{AggregateChange, IndexChange, OrderChange, UserChange};

/// An aggregate with what is stored in the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAggregate {
    Order(StoredOrder),
    User(UserEvents),
}

/// Why an event can't be rebuilt from its aggregate.
#[derive(Debug, thiserror::Error)]
pub enum NotRebuilt {
    #[error("the aggregate has raised no such event")]
    NotRaised,
    /// Newer code published it, in a version that this code does not know. It is not changed.
    #[error("its schema version {0} is not {SCHEMA_VERSION}")]
    SchemaVersion(u32),
    #[error("it can't be encoded")]
    Encoding(#[source] serde_json::Error),
}

impl StoredAggregate {
    pub const fn key(&self) -> AggregateKey {
        match self {
            Self::Order(stored) => stored.key(),
            Self::User(events) => events.key,
        }
    }

    pub const fn pending(&self) -> &PendingEvents {
        match self {
            Self::Order(stored) => &stored.pending,
            Self::User(events) => &events.pending,
        }
    }

    pub fn raised(&self, event_id: EventId) -> bool {
        match self {
            Self::Order(stored) => stored.raised(event_id),
            Self::User(events) => events.event(event_id).is_some(),
        }
    }

    /// Every event that it raised, the oldest first.
    pub fn events(&self) -> Vec<EventId> {
        self.events_at().map(|(event_id, _)| event_id).collect()
    }

    /// The events that happened at `since` or later, the oldest first.
    pub fn events_since(&self, since: Timestamp) -> Vec<EventId> {
        let later = self.events_at().filter(|(_, at)| *at >= since);
        later.map(|(event_id, _)| event_id).collect()
    }

    fn events_at(&self) -> impl Iterator<Item = (EventId, Timestamp)> {
        let (order, user) = match self {
            Self::Order(stored) => (Some(stored.order.history().iter()), None),
            Self::User(events) => (None, Some(events.raised.iter())),
        };
        let order = order.into_iter().flatten().map(|change| (change.event.event_id, change.at));
        order.chain(user.into_iter().flatten().map(|event| (event.stamp.event_id, event.at)))
    }

    /// The message of an event, rebuilt in the version in which it was first published: the body is
    /// the same, byte for byte.
    ///
    /// # Errors
    ///
    /// [`NotRebuilt`]
    pub fn message(&self, event_id: EventId) -> Result<OutboundMessage, NotRebuilt> {
        match self {
            Self::Order(stored) => {
                let event = stored.order.event(event_id).ok_or(NotRebuilt::NotRaised)?;
                is_known(event.stamp.schema_version)?;
                order_message(&event).map_err(NotRebuilt::Encoding)
            }
            Self::User(events) => {
                let event = events.event(event_id).ok_or(NotRebuilt::NotRaised)?;
                is_known(event.stamp.schema_version)?;
                user_message(events.key, event).map_err(NotRebuilt::Encoding)
            }
        }
    }

    /// The type of an event, without rebuilding it.
    ///
    /// # Errors
    ///
    /// [`NotRebuilt`], if it could not be rebuilt.
    pub fn event_type(&self, event_id: EventId) -> Result<EventType, NotRebuilt> {
        match self {
            Self::Order(stored) => {
                let (_, change) =
                    stored.order.history().change_of(event_id).ok_or(NotRebuilt::NotRaised)?;
                is_known(change.event.schema_version)?;
                Ok(event_type_of(change.status))
            }
            Self::User(events) => {
                let event = events.event(event_id).ok_or(NotRebuilt::NotRaised)?;
                is_known(event.stamp.schema_version)?;
                Ok(event_type_of_fact(event.fact))
            }
        }
    }

    /// A change of the pending events, and of nothing else.
    pub const fn pending_change(
        &self,
        pending: PendingEvents,
        index: IndexChange,
    ) -> AggregateChange<'_> {
        match self {
            Self::Order(before) => AggregateChange::Order(OrderChange {
                before,
                reached: None,
                notified: None,
                pending,
                index,
            }),
            Self::User(before) => AggregateChange::User(UserChange { before, pending, index }),
        }
    }

    /// The aggregate after a write that changed its pending events.
    #[must_use]
    pub fn revised(self, pending: PendingEvents) -> Self {
        match self {
            Self::Order(stored) => {
                let revision = stored.revision.saturating_add(1);
                Self::Order(StoredOrder { pending, revision, ..stored })
            }
            Self::User(events) => {
                let revision = events.revision.saturating_add(1);
                Self::User(UserEvents { pending, revision, ..events })
            }
        }
    }
}

/// Whether this code has the encoder of a schema version. The encoder of an older version stays
/// while events of that version exist.
const fn is_known(schema_version: u32) -> Result<(), NotRebuilt> {
    if schema_version == SCHEMA_VERSION {
        Ok(())
    } else {
        Err(NotRebuilt::SchemaVersion(schema_version))
    }
}
