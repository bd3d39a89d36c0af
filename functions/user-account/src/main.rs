//! user-account's wiring.

use application::users::ask_for_mail::AskForMail;
use application::users::change_password::ChangePassword;
use application::users::current_password::CurrentPassword;
use application::users::delete_account::DeleteAccount;
use application::users::guess_guard::GuessGuard;
use application::users::list_activity::ListActivity;
use application::users::redeem_mail::RedeemMail;
use application::users::show_account::ShowAccount;
use dynamodb::{CachedVerificationKeys, DynamoAccounts, DynamoVerificationKeys};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use platform::telemetry;
use security::password::Argon2idHasher;
use security::tokens::Ed25519TokenVerifier;
use user_account::config::Config;
use user_account::{Handler, Mail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let users = DynamoAccounts::new(tables.clone(), config.users);
    let keys = DynamoVerificationKeys::new(tables, config.keys);
    let show = ShowAccount { users: users.clone(), clock: SystemClock };
    let current = CurrentPassword {
        users: users.clone(),
        guard: GuessGuard { records: users.clone(), clock: SystemClock },
        passwords: telemetry::logged(Argon2idHasher::new(config.hash_cost))?,
        identities: UuidIdentitySource,
        clock: SystemClock,
    };
    let mail = config.mail_sender.is_some().then(|| Mail {
        ask: AskForMail { show: show.clone(), current: current.clone() },
        redeem: RedeemMail {
            users: users.clone(),
            passwords: current.passwords.clone(),
            identities: UuidIdentitySource,
            clock: SystemClock,
        },
    });
    let handler = Handler {
        mail,
        list_activity: ListActivity { show: show.clone(), log: users },
        delete: DeleteAccount { show: show.clone(), current: current.clone() },
        change_password: ChangePassword { show: show.clone(), current },
        show,
        keys: keys.clone(),
        cdn: config.cdn,
        tokens: Ed25519TokenVerifier::new(CachedVerificationKeys::new(keys, SystemClock)),
    };

    web::run(|request| metrics.flushed_after(handler.handle(request))).await
}
