//! The use cases on adapters in memory, with faults on demand and tokio's clock paused: an hour of
//! retries takes no time.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod events;
mod operations;
mod orders;
mod products;
mod shop;
mod users;
