//! Adapters in memory, with faults on demand, and the contracts of the ports as suites of tests.
//! For tests only.
//!
//! # Layout
//!
//! - [`world`]: everything that a use case needs, in memory
//! - [`tables`], [`broker`]: DynamoDB and RocketMQ in memory, with faults on demand
//! - [`fault`]: what can go wrong with a call to a table
//! - [`clock`], [`identities`]: a clock that tests move, and predictable identifiers
//! - [`mailbox`]: a mail service in memory
//! - [`secrets`]: passwords, tokens and keys without secrecy
//! - [`samples`]: orders, products and events to test with
//! - [`contract`]: one suite per family of ports, which every adapter passes
//! - [`shop`]: random plans of what happens in a shop, and whether its books are right

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
pub mod contract;
pub mod fault;
pub mod identities;
pub mod mailbox;
pub mod samples;
pub mod secrets;
pub mod shop;
pub mod sim;
pub mod tables;
pub mod weather;
pub mod world;
