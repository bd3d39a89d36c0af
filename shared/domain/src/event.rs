//! What an aggregate keeps of the events that it raised.

use crate::identity::EventId;

/// How an event is published. The aggregate keeps it with the change that raised the event, so that
/// the event can be rebuilt from the aggregate, byte for byte, for as long as that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStamp {
    /// The fact's identifier.
    pub event_id: EventId,
    /// The version of the payload in which the event was published first. It is rebuilt in that
    /// version, whatever version newer code publishes.
    pub schema_version: u32,
    /// W3C Trace Context of what raised it, where there is one.
    pub traceparent: Option<String>,
}

impl EventStamp {
    /// A stamp without a trace.
    pub const fn untraced(event_id: EventId, schema_version: u32) -> Self {
        Self { event_id, schema_version, traceparent: None }
    }
}
