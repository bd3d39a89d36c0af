//! The broker: half messages, deliveries, and what is on the topics.

pub(super) mod deliveries;
pub(super) mod half_messages;
pub(super) mod topics;
