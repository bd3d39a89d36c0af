//! user-login's wiring.

use std::sync::Arc;

use application::users::guess_guard::GuessGuard;
use application::users::log_in::LogIn;
use application::users::log_out::LogOut;
use application::users::refresh_session::RefreshSession;
use application::users::show_account::ShowAccount;
use dynamodb::{CachedVerificationKeys, DynamoAccounts, DynamoVerificationKeys};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use platform::telemetry;
use security::password::Argon2idHasher;
use security::refresh_tokens::RandomRefreshTokens;
use security::tokens::{Ed25519TokenIssuer, Ed25519TokenVerifier};
use user_login::Handler;
use user_login::config::Config;
use user_login::key_source::KeySource;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let accounts = DynamoAccounts::new(tables.clone(), config.users);
    let issuer = Arc::new(Ed25519TokenIssuer::new(KeySource::new(config.signing_key).await));
    let keys = DynamoVerificationKeys::new(tables, config.keys);
    let handler = Handler {
        log_in: LogIn {
            users: accounts.clone(),
            guard: GuessGuard { records: accounts.clone(), clock: SystemClock },
            passwords: telemetry::logged(Argon2idHasher::new(config.hash_cost))?,
            tokens: Arc::clone(&issuer),
            refresh_tokens: RandomRefreshTokens,
            identities: UuidIdentitySource,
            clock: SystemClock,
        },
        refresh: RefreshSession {
            users: accounts.clone(),
            tokens: issuer,
            refresh_tokens: RandomRefreshTokens,
            identities: UuidIdentitySource,
            clock: SystemClock,
        },
        log_out: LogOut {
            show: ShowAccount { users: accounts.clone(), clock: SystemClock },
            users: accounts,
            identities: UuidIdentitySource,
            clock: SystemClock,
        },
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
        cdn: config.cdn,
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
