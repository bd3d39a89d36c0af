//! The order service's domain: aggregates, value objects and the events they raise.
//!
//! Everything here is a pure function of its arguments. Time, identifiers and prices are passed in,
//! so a decision can be replayed and a test needs no double. An aggregate's method either returns
//! what changed or says why not; storing and publishing it is the application's business.
//!
//! # Layout
//!
//! - [`identity`]: one type per kind of identifier
//! - [`aggregate`], [`event`], [`pending`]: what raises events, and what it keeps of them
//! - [`money`]: amounts in minor units, which are never floating point
//! - [`timestamp`]: moments of the wall clock, in milliseconds, UTC
//! - [`order`]: the order aggregate, its lines, states and events
//! - [`product`]: what is sold, at what price
//! - [`user`]: who orders

#![deny(clippy::float_arithmetic)]

pub mod aggregate;
pub mod event;
pub mod identity;
pub mod money;
pub mod order;
pub mod pending;
pub mod product;
pub mod timestamp;
pub mod user;
