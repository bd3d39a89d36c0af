//! The contracts of the ports, run against every adapter: in memory, two emulators of DynamoDB
//! through the real adapters, and a real RocketMQ.
//!
//! The suites are `testkit::contract`'s. Each test has tables, a topic and groups of its own; one
//! cluster serves all tests of this binary.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod deployment;
mod dynamodb_tables;
mod memory;
mod mqadmin;
mod order_items;
mod order_life;
mod products;
mod rocketmq_channel;
mod user_life;
