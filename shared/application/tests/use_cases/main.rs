//! The use cases on adapters in memory, with faults on demand and tokio's clock paused: an hour of
//! retries takes no time.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod accounts;
mod assess_health;
mod events;
mod log_in;
mod mail;
mod operations;
mod orders;
mod register_user;
mod sessions;
mod shop;
mod signing_keys;
mod user_events;
mod users;
