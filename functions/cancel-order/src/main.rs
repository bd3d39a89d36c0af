//! cancel-order's wiring.

use application::orders::cancel::CancelOrder;
use cancel_order::Handler;
use cancel_order::config::Config;
use dynamodb::{CachedVerificationKeys, DynamoOrders, DynamoStockReturns, DynamoVerificationKeys};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
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
    let orders = DynamoOrders::new(tables.clone(), config.orders.clone());
    let handler = Handler {
        cancel_order: CancelOrder {
            orders,
            returns: DynamoStockReturns::new(tables, config.orders, config.catalog),
            clock: SystemClock,
            identities: UuidIdentitySource,
        },
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
