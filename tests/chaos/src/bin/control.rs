//! Runs instead of a function, with one part of it left out: see `chaos_tests::controls`.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    platform::telemetry::start();
    chaos_tests::controls::run().await
}
