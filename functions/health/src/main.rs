//! health's wiring.

use application::operations::assess_health::{AssessHealth, LastVerdict};
use dynamodb::{DynamoAggregates, DynamoTables};
use health::Handler;
use health::config::Config;
use platform::clock::SystemClock;
use platform::name_servers::RemotingNameServers;
use platform::settings::Settings;
use platform::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;
    let name_servers =
        RemotingNameServers::new(config.name_servers, config.order_topic, config.tls_ca.as_ref());
    let name_servers = telemetry::logged(name_servers)?;

    let tables = dynamodb::connect().await;
    let probed = [config.orders.clone().into(), config.catalog.into(), config.keys.into()];
    let handler = Handler {
        assess: AssessHealth {
            tables: DynamoTables::new(tables.clone(), probed),
            name_servers,
            events: DynamoAggregates::new(tables, config.orders, config.users),
            clock: SystemClock,
            accept_without_broker: config.accept_without_broker,
            last: LastVerdict::default(),
        },
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
