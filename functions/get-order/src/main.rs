//! get-order's wiring.

use application::orders::get::GetOrder;
use application::orders::list::ListOrders;
use application::products::list::ListProducts;
use dynamodb::{CachedVerificationKeys, DynamoCatalog, DynamoOrders, DynamoVerificationKeys};
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
    let orders = DynamoOrders::new(tables.clone(), config.orders);
    let handler = Handler {
        get_order: GetOrder { orders: orders.clone() },
        list_orders: ListOrders { orders },
        list_products: ListProducts { products: DynamoCatalog::new(tables, config.catalog) },
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
