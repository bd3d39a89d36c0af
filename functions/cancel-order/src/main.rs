//! cancel-order's wiring.

use application::orders::cancel::CancelOrder;
use cancel_order::Handler;
use cancel_order::config::Config;
use dynamodb::{CachedVerificationKeys, DynamoOrders, DynamoVerificationKeys};
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
    let orders = DynamoOrders::new(tables, config.orders).with_stock(config.catalog);
    let handler = Handler {
        cancel_order: CancelOrder {
            orders: orders.clone(),
            returns: orders,
            clock: SystemClock,
            identities: UuidIdentitySource,
        },
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
