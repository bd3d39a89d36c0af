use contracts::event::{EventType, SCHEMA_VERSION};
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::order::StoredOrder;
use domain::pending::PendingEvents;

use crate::event::{event_type_of, order_message};
use crate::ports::OutboundMessage;

/// An aggregate with what is stored beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAggregate {
    /// An order.
    Order(StoredOrder),
}

/// An event can't be rebuilt from its aggregate.
#[derive(Debug, thiserror::Error)]
pub enum NotRebuilt {
    /// The aggregate has not raised it.
    #[error("the aggregate has raised no such event")]
    NotRaised,
    /// Newer code published it, in a version that this code does not know. It is left alone.
    #[error("its schema version {0} is not {SCHEMA_VERSION}")]
    SchemaVersion(u32),
    /// It can't be encoded.
    #[error("it can't be encoded")]
    Encoding(#[source] serde_json::Error),
}

impl StoredAggregate {
    /// Names it.
    pub const fn key(&self) -> AggregateKey {
        match self {
            Self::Order(stored) => stored.key(),
        }
    }

    /// Which of its events are not handled yet.
    pub const fn pending(&self) -> &PendingEvents {
        match self {
            Self::Order(stored) => &stored.pending,
        }
    }

    /// Whether it raised an event.
    pub fn raised(&self, event_id: EventId) -> bool {
        match self {
            Self::Order(stored) => stored.raised(event_id),
        }
    }

    /// Every event that it raised, the oldest first.
    pub fn events(&self) -> Vec<EventId> {
        match self {
            Self::Order(stored) => {
                stored.order.history().iter().map(|change| change.event.event_id).collect()
            }
        }
    }

    /// An event as it goes on its topic, rebuilt in the version in which it was published first: the
    /// body is the same byte for byte.
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
        }
    }

    /// The type of an event, without rebuilding it.
    ///
    /// # Errors
    ///
    /// [`NotRebuilt`], where it could not be rebuilt either.
    pub fn event_type(&self, event_id: EventId) -> Result<EventType, NotRebuilt> {
        match self {
            Self::Order(stored) => {
                let (_, change) =
                    stored.order.history().change_of(event_id).ok_or(NotRebuilt::NotRaised)?;
                is_known(change.event.schema_version)?;
                Ok(event_type_of(change.status))
            }
        }
    }
}

/// Whether this code has the encoder of a schema version. That of each older one stays as long as
/// orders of it exist.
const fn is_known(schema_version: u32) -> Result<(), NotRebuilt> {
    if schema_version == SCHEMA_VERSION {
        Ok(())
    } else {
        Err(NotRebuilt::SchemaVersion(schema_version))
    }
}
