//! get-order's wiring.

use application::get_order::GetOrder;
use dynamodb::{CachedVerificationKeys, DynamoOrders, DynamoVerificationKeys};
use get_order::Handler;
use get_order::config::Config;
use platform::clock::SystemClock;
use platform::settings::Settings;
use platform::telemetry;
use security::tokens::Ed25519TokenVerifier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let keys = DynamoVerificationKeys::new(tables.clone(), config.keys);
    let handler = Handler {
        get_order: GetOrder { orders: DynamoOrders::new(tables, config.orders) },
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
        clock: SystemClock,
    };

    let handler = &handler;
    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
