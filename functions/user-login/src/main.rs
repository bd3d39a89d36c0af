//! user-login's wiring.

use application::log_in::LogIn;
use dynamodb::DynamoAccounts;
use platform::clock::SystemClock;
use platform::settings::Settings;
use platform::telemetry;
use security::password::{Argon2idHasher, HashCost};
use security::tokens::Ed25519TokenIssuer;
use user_login::Handler;
use user_login::config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;
    let key = telemetry::logged(config.signing_key.read())?;

    let handler = Handler {
        log_in: LogIn {
            accounts: DynamoAccounts::new(dynamodb::connect().await, config.users),
            passwords: Argon2idHasher::new(HashCost::RECOMMENDED)?,
            tokens: Ed25519TokenIssuer::new(&key),
            clock: SystemClock,
        },
    };

    let handler = &handler;
    web::run(|request| metrics.told_after(handler.handle(request))).await
}
