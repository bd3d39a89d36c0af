//! api-docs' wiring.

use api_docs::Handler;
use api_docs::config::Config;
use platform::settings::Settings;
use platform::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let handler = Handler { served: config.served };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
