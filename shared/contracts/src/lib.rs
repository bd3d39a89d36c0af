//! What crosses the wire, in the words of the wire.
//!
//! This crate stands alone: another team's subscriber takes it without our domain.
//!
//! - [`event`]: the events, CloudEvents 1.0 in JSON
//! - [`message`]: how an event travels as a RocketMQ message: tag, keys, user properties
//! - [`order`], [`user`], [`login`]: HTTP bodies
//! - [`problem`]: errors over HTTP, RFC 9457
//! - [`timestamp`]: moments, RFC 3339 in UTC

pub mod event;
pub mod login;
pub mod message;
pub mod order;
pub mod problem;
pub mod timestamp;
pub mod user;
