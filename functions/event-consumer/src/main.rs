//! event-consumer's wiring. The adapters of its handler are in [`event_consumer::wiring`].

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

use event_consumer::config::Config;
use event_consumer::{WindowEvent, wiring};
use lambda_runtime::{LambdaEvent, service_fn};
use platform::settings::Settings;
use platform::telemetry;
use rocketmq::client::RocketmqClient;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let broker = telemetry::logged(RocketmqClient::start(config.rocketmq.clone()))?;
    let handler = wiring::handler(config, tables, broker).await;

    let handler = &handler;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        let span = tracing::info_span!("window", request_id = event.context.request_id);
        let window = handler.handle(event.payload, time_left, || metrics.flush()).instrument(span);
        Ok::<_, lambda_runtime::Error>(metrics.flushed_after(window).await)
    }))
    .await
}
