//! Use cases of the order service and the ports they need.
//!
//! A use case holds its ports by value and makes the decisions; an adapter does one thing and
//! reports the outcome. Every remote write has three outcomes ([`outcome`]): done; refused, either by
//! its conditions or before it began; unknown. An unknown outcome is never guessed: the write is
//! retried, read again, or reported as open.
//!
//! # Layout
//!
//! - [`orders`], [`products`], [`users`]: what clients ask for, by subject
//! - [`events`]: check-backs, the consumer and the sweep, on what is pending in aggregates
//! - [`operations`]: what operators do, and whether the service works
//! - [`ports`]: what the use cases ask of the world
//! - [`outcome`]: what can become of a remote write
//! - [`deadline`], [`backoff`], [`lifetimes`]: how long to wait for what, and how long to keep it
//! - [`event`]: from the domain's events to the wire's and back

pub mod backoff;
pub mod deadline;
pub mod event;
pub mod events;
pub mod lifetimes;
pub mod operations;
pub mod orders;
pub mod outcome;
pub mod ports;
pub mod products;
mod retry;
pub mod users;
