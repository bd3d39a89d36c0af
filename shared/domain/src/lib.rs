//! The order service's domain: aggregates, value objects and the events they raise.
//!
//! Everything here is a pure function of its arguments. Time, identifiers and prices are passed in,
//! so a decision can be replayed and a test needs no double. An aggregate's method returns either
//! the change or the reason against it; the application stores and publishes the change.
//!
//! # Layout
//!
//! - [`account`]: accounts, sessions and password guesses
//! - [`identity`]: one type per kind of identifier
//! - [`aggregate`], [`event`], [`pending`]: aggregates, and what they store about their events
//! - [`money`]: amounts in minor units, which are never floating point
//! - [`timestamp`]: moments of the wall clock, in milliseconds, UTC
//! - [`order`]: the order aggregate, its lines, states and events
//! - [`product`]: products, their prices and their stock

#![deny(clippy::float_arithmetic)]

pub mod account;
pub mod aggregate;
pub mod event;
pub mod identity;
pub mod money;
pub mod order;
pub mod pending;
pub mod product;
pub mod timestamp;
