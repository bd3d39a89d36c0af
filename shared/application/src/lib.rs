//! Use cases of the order service and the ports they need.
//!
//! A use case holds its ports by value and branches; an adapter does one thing and reports what
//! became of it. Every remote write has three outcomes ([`outcome`]): done, refused, unknown. An
//! unknown is never guessed: it is retried, read again, or told as open.
//!
//! # Layout
//!
//! - [`ports`]: what the use cases ask of the world
//! - [`outcome`]: what can become of a remote write
//! - [`deadline`], [`backoff`]: how long to wait for what
//! - [`create_order`]: takes an order, by the transactional protocol
//! - [`answer_check`]: tells the broker what became of a half message
//! - [`consume_events`]: handlers, each effect once
//! - [`publish_recorded_event`]: puts an event on its topic that was recorded without one
//! - [`get_order`], [`log_in`], [`assess_health`]: what their names say

pub mod deadline;
pub mod event;
pub mod outcome;
pub mod ports;
