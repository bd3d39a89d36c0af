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

/// Makes a test on each emulator for each of these functions, which take the tables.
macro_rules! on_both {
    ($($name:ident),+) => {
        on_both!(embedded: $($name),+);
        on_both!(amazon: $($name),+);
    };
    ($emulator:ident: $($name:ident),+) => {
        mod $emulator {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::dynamodb_tables::$emulator().await).await;
            }
        )+}
    };
}

mod deployment;
mod dynamodb_tables;
mod memory;
mod old_routes;
mod order_items;
mod order_life;
mod products;
mod rocketmq_channel;
mod user_life;
