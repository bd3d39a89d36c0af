//! register-user's wiring.

use application::users::guess_guard::GuessGuard;
use application::users::register::RegisterUser;
use dynamodb::DynamoAccounts;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use platform::telemetry;
use register_user::Handler;
use register_user::config::Config;
use security::password::Argon2idHasher;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let accounts = DynamoAccounts::new(tables, config.users);
    let handler = Handler {
        register: RegisterUser {
            users: accounts.clone(),
            guard: GuessGuard { records: accounts, clock: SystemClock },
            passwords: telemetry::logged(Argon2idHasher::new(config.hash_cost))?,
            identities: UuidIdentitySource,
            clock: SystemClock,
            sends_mails: config.mail_sender.is_some(),
        },
        cdn: config.cdn,
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
