//! Black-box tests: HTTP in, and what DynamoDB and the topic hold afterwards.
//!
//! Everything is real: function binaries under the local Lambda host, Apache RocketMQ, a table over
//! the network. One system serves all tests of this binary; each test takes products and keys of
//! its own, so that they run side by side. Faults are for `tests/chaos`.

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
mod login;
mod orders;
mod problems;
mod shapes;
mod shop;
mod subscribers;
mod users;
