//! Adapters in memory, with faults on demand. For tests only.
//!
//! # Layout
//!
//! - [`world`]: everything that a use case needs, in memory
//! - [`tables`], [`broker`]: what stands in for DynamoDB and for RocketMQ, with faults on demand
//! - [`fault`]: what can go wrong with a call to a table
//! - [`clock`], [`identities`]: a clock that tests move, and identifiers that can be foretold
//! - [`samples`]: orders, products and events to test with

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests only, and a test fails by panicking"
)]

pub mod broker;
pub mod clock;
pub mod fault;
pub mod identities;
pub mod samples;
pub mod tables;
pub mod world;
