//! create-order's wiring.

// The RocketMQ client's futures nest about as deep as the default limit of 128 allows.
#![recursion_limit = "512"]

use application::orders::create::{Budgets, CircuitBreaker, CreateOrder, WithoutBroker};
use create_order::Handler;
use create_order::config::Config;
use dynamodb::{
    CachedPrices, CachedVerificationKeys, DynamoCatalog, DynamoOrders, DynamoVerificationKeys,
};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use platform::telemetry;
use rocketmq::publisher::RocketmqPublisher;
use security::tokens::Ed25519TokenVerifier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let without_broker = if config.accept_without_broker {
        WithoutBroker::Accept(CircuitBreaker::default())
    } else {
        WithoutBroker::Refuse
    };
    let tables = dynamodb::connect().await;
    let keys = DynamoVerificationKeys::new(tables.clone(), config.keys);
    let handler = Handler {
        create_order: CreateOrder {
            orders: DynamoOrders::new(tables.clone(), config.orders),
            catalog: CachedPrices::new(DynamoCatalog::new(tables, config.catalog), SystemClock),
            publisher: telemetry::logged(
                RocketmqPublisher::start(config.rocketmq, SystemClock).await,
            )?,
            clock: SystemClock,
            identities: UuidIdentitySource,
            budgets: Budgets::default(),
            without_broker,
        },
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
