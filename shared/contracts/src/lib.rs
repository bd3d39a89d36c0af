//! The wire format: events, messages, HTTP bodies and problems.
//!
//! This crate depends on no other crate of the project, so that a subscriber of another team can
//! use it alone. With the feature `schema`, its types have JSON Schemas, from which documents in
//! `docs/` are made; no function is built with it.
//!
//! - [`event`]: the events, CloudEvents 1.0 in JSON
//! - [`message`]: how an event travels as a RocketMQ message: tag, keys, user properties
//! - [`order`], [`product`], [`user`], [`login`], [`health`]: HTTP bodies
//! - [`problem`]: errors over HTTP, RFC 9457
//! - [`timestamp`]: moments, RFC 3339 in UTC

#![warn(missing_docs)]

pub mod event;
pub mod health;
pub mod login;
pub mod message;
pub mod order;
pub mod problem;
pub mod product;
#[cfg(feature = "schema")]
pub mod schema;
pub mod timestamp;
pub mod user;
