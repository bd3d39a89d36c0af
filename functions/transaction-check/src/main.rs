//! transaction-check's wiring. The adapters of its handler are in [`transaction_check::wiring`].

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

use lambda_runtime::{LambdaEvent, service_fn};
use platform::settings::Settings;
use platform::telemetry;
use tracing::Instrument;
use transaction_check::config::Config;
use transaction_check::{WindowEvent, wiring};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let handler = wiring::handler(config, tables);

    let handler = &handler;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        let span = tracing::info_span!("window", request_id = event.context.request_id);
        let window = handler.handle(event.payload, time_left, || metrics.flush()).instrument(span);
        Ok::<_, lambda_runtime::Error>(metrics.flushed_after(window).await?)
    }))
    .await
}
