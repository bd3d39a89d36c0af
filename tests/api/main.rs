//! Black-box tests: an HTTP request, and then the content of DynamoDB and of the topic.
//!
//! Everything is real: function binaries on the local Lambda host, Apache RocketMQ, a table over
//! the network. One system serves all tests of this binary. Each test has its own products and
//! keys, so that tests can run side by side. Faults are for `tests/chaos`.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod app;
mod clients;
mod commands;
mod dead_letters;
mod garbage;
mod health;
mod leaks;
mod orders;
mod problems;
mod products;
mod shapes;
mod shop;
mod subscribers;
mod users;
