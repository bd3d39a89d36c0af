//! The host, the gateway and the schedules with real processes under the Runtime API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; helpers outside of test functions are tests too"
)]

mod host;
mod project;

use std::time::Duration;

/// The program of all functions.
const PROBE: &str = env!("CARGO_BIN_EXE_probe-function");

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition did not become true");
}
