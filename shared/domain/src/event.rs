//! What an aggregate stores about the events that it raised.

use crate::identity::EventId;

/// How an event is published. The aggregate stores it with the change that raised the event, so
/// that the event can be rebuilt, byte for byte, while the aggregate exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStamp {
    /// The event's identifier, the same in every copy.
    pub event_id: EventId,
    /// The version of the payload in which the event was first published. The event is rebuilt in
    /// that version, whatever version newer code publishes.
    pub schema_version: u32,
    /// W3C Trace Context of the request or event that caused this one, if known.
    pub traceparent: Option<String>,
}

impl EventStamp {
    pub const fn untraced(event_id: EventId, schema_version: u32) -> Self {
        Self { event_id, schema_version, traceparent: None }
    }
}
