//! Event handlers with an effect outside the aggregate.

use contracts::event::EventType;
use domain::identity::EventId;
use domain::timestamp::Timestamp;
use futures::future::BoxFuture;

use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::Failure;

/// An event that was delivered and is pending.
#[derive(Debug)]
pub struct IncomingEvent<'a> {
    pub event_id: EventId,
    pub event_type: EventType,
    /// The aggregate that raised the event, as it is now. A handler uses its data, not the
    /// message's.
    pub stored: &'a StoredAggregate,
    /// When the event was delivered, by the wall clock.
    pub received_at: Timestamp,
    /// By when the event must be handled; otherwise it is delivered again.
    pub deadline: Deadline,
}

/// Why a handler has not done its part.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The handler may succeed later.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The handler will never succeed, for this reason.
    #[error("{0}")]
    Permanent(String),
}

/// Does one thing for an event, outside the aggregate that raised it.
pub trait EventHandler: Send + Sync {
    /// The name that marks it as done in the aggregate. It must never change once it was used.
    fn name(&self) -> &'static str;

    /// Does its part, once: it MUST mark itself as done in the event's pending entry
    /// ([`PendingEvent::done_by`](domain::pending::PendingEvent::done_by)), conditional on the
    /// aggregate's revision, and MUST do nothing if it is marked already. The mark is in the
    /// transaction of the effect. An effect that no such transaction can hold, such as a mail, comes
    /// first, and may happen again.
    ///
    /// # Errors
    ///
    /// [`HandlerError`]
    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>>;
}

/// The events that a handler gets.
#[derive(Debug, Clone, Copy)]
pub enum Subscribed {
    ToAll,
    To(&'static [EventType]),
}

/// Handlers and the events they get, in the order in which they are called.
#[derive(Default)]
pub struct Registry {
    entries: Vec<(Subscribed, Box<dyn EventHandler>)>,
}

impl Registry {
    /// Adds a handler, which is called after the earlier ones.
    #[must_use]
    pub fn with(mut self, subscribed: Subscribed, handler: impl EventHandler + 'static) -> Self {
        self.entries.push((subscribed, Box::new(handler)));
        self
    }

    /// The handlers of a type of events, in the order of their calls.
    pub fn handlers_of(&self, event_type: EventType) -> impl Iterator<Item = &dyn EventHandler> {
        self.entries
            .iter()
            .filter(move |(subscribed, _)| match subscribed {
                Subscribed::ToAll => true,
                Subscribed::To(types) => types.contains(&event_type),
            })
            .map(|(_, handler)| handler.as_ref())
    }
}
