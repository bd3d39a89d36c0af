//! Who handles which events.

use contracts::event::{Event, EventType};
use domain::identity::EventId;
use domain::timestamp::Timestamp;
use futures::future::BoxFuture;

use crate::deadline::Deadline;
use crate::outcome::Failure;

/// An event that was delivered.
#[derive(Debug, Clone)]
pub struct IncomingEvent {
    /// The fact's identifier.
    pub event_id: EventId,
    /// What it says.
    pub event: Event,
    /// W3C Trace Context, where the message carries one.
    pub traceparent: Option<String>,
    /// When it was delivered.
    pub received_at: Timestamp,
    /// By when it is done with, or comes again.
    pub deadline: Deadline,
}

/// A handler has not done its part.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may succeed later.
    #[error(transparent)]
    Failed(Failure),
    /// It will never succeed, for this reason.
    #[error("{0}")]
    Hopeless(String),
}

/// Does one thing about an event.
pub trait EventHandler: Send + Sync {
    /// Its name, which is part of the key of its inbox records: once used, it stays.
    fn name(&self) -> &'static str;

    /// Does its part, once: it MUST store its effect together with an inbox record, and MUST
    /// succeed when the record is there already.
    ///
    /// # Errors
    ///
    /// [`HandlerError`]
    fn handle<'a>(&'a self, incoming: &'a IncomingEvent)
    -> BoxFuture<'a, Result<(), HandlerError>>;
}

/// Which events a handler is given.
#[derive(Debug, Clone, Copy)]
pub enum Subscribed {
    /// All of them.
    ToAll,
    /// Those of these types.
    To(&'static [EventType]),
}

/// Handlers with the events they are given, in the order in which they are asked.
#[derive(Default)]
pub struct Registry {
    entries: Vec<(Subscribed, Box<dyn EventHandler>)>,
}

impl Registry {
    /// The registry with one more handler, asked after those before it.
    #[must_use]
    pub fn with(mut self, subscribed: Subscribed, handler: impl EventHandler + 'static) -> Self {
        self.entries.push((subscribed, Box::new(handler)));
        self
    }

    /// The handlers of a type of events.
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
