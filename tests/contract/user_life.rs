//! What a login costs on real parts, until its event is handled, and what an exchange costs.

use std::time::Duration;

use application::deadline::Deadline;
use application::users::guess_guard::GuessGuard;
use application::users::log_in::{Credentials, LogIn, SessionTokens};
use application::users::refresh_session::RefreshSession;
use application::users::register::{NewUser, RegisterUser};
use domain::account::Account;
use dynamodb::DynamoAccounts;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use secrecy::SecretString;
use testkit::samples::source;
use testkit::secrets::{NumberedTokens, PlainHasher};

use crate::deployment::Deployment;
use crate::rocketmq_channel::run;

const EMAIL: &str = "demo@example.com";
const PASSWORD: &str = "correct-horse-battery-staple";
const HOME: &str = "192.0.2.1";

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(9))
}

async fn register(deployment: &Deployment) -> Account {
    let register = RegisterUser {
        users: deployment.accounts(),
        guard: GuessGuard { records: deployment.accounts(), clock: SystemClock },
        passwords: PlainHasher::default(),
        identities: UuidIdentitySource,
        clock: SystemClock,
        sends_mails: false,
    };
    let new = NewUser {
        email: EMAIL.to_owned(),
        password: SecretString::from(PASSWORD),
        source: source(HOME),
        traceparent: Some(testkit::samples::TRACEPARENT.to_owned()),
    };
    register.execute(new, soon()).await.unwrap()
}

async fn log_in(deployment: &Deployment, from: &str) -> SessionTokens {
    let accounts = deployment.accounts();
    let log_in = LogIn {
        users: accounts.clone(),
        guard: GuessGuard { records: accounts, clock: SystemClock },
        passwords: PlainHasher::default(),
        tokens: NumberedTokens::default(),
        refresh_tokens: NumberedTokens::default(),
        identities: UuidIdentitySource,
        clock: SystemClock,
    };
    let credentials = Credentials {
        email: EMAIL.to_owned(),
        password: SecretString::from(PASSWORD),
        source: source(from),
        traceparent: Some(testkit::samples::TRACEPARENT.to_owned()),
    };
    log_in.execute(credentials, soon()).await.unwrap()
}

#[test]
fn a_login_costs_ten_write_units_until_its_answer_and_fifteen_until_its_event_is_handled() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        register(&deployment).await;
        deployment.sweep(&publisher, Duration::from_secs(8)).await;
        deployment.consume(&publisher, Duration::from_secs(12)).await;
        deployment.weather.reset_consumption();

        log_in(&deployment, HOME).await;
        let answered = deployment.weather.reset_consumption();
        // One for the guess, one for its end, one for the source. In one transaction two each for
        // the account, the session and the activity, and one for the session's entry in the index.
        assert_eq!(answered.of_operation("TransactWriteItems").write, 7.0, "{answered:?}");
        assert_eq!(answered.total().write, 10.0, "{answered:?}");

        let swept = deployment.sweep(&publisher, Duration::from_secs(8)).await;
        assert_eq!(swept.sent, 1, "{swept:?}");
        deployment.consume(&publisher, Duration::from_secs(12)).await;
        let handled = deployment.weather.consumption();
        // The claim moves the entry in the index, and so does storing that the event was sent; the
        // end removes it.
        assert!(answered.total().write + handled.total().write <= 15.0, "{handled:?}");
        publisher.shutdown().await;
    });
}

#[test]
fn an_exchange_of_a_refresh_token_costs_eight_write_units() {
    run(async {
        let deployment = Deployment::start().await;
        register(&deployment).await;
        let token = log_in(&deployment, HOME).await.refresh;
        deployment.weather.reset_consumption();
        let refresh: RefreshSession<DynamoAccounts, _, _, _, _> = RefreshSession {
            users: deployment.accounts(),
            tokens: NumberedTokens::default(),
            refresh_tokens: NumberedTokens::default(),
            identities: UuidIdentitySource,
            clock: SystemClock,
        };
        refresh.execute(&token, source(HOME), soon()).await.unwrap();
        let answered = deployment.weather.reset_consumption();
        // In one transaction two each for the session, the account, the used token and the
        // activity. Counting the exchange costs as much as checking the account's epoch.
        assert_eq!(answered.total().write, 8.0, "{answered:?}");
    });
}
