//! Registering, logging in, and what users do with their accounts.

mod accounts;
mod events;
mod log_in;
mod mail;
mod register;
mod sessions;

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{Activity, ActivityOwner, Bearer, Source};
use application::users::current_password::ProtectedChangeError;
use application::users::delete_account::Deletion;
use application::users::log_in::{Credentials, LogInError, SessionTokens};
use application::users::register::{NewUser, RegisterUserError};
use domain::account::{Account, ActivityKind, UserEvent};
use secrecy::{ExposeSecret, SecretString};
use testkit::world::World;

pub(crate) const EMAIL: &str = "demo@example.com";
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";
pub(crate) const WRONG: &str = "wrong-horse-battery-staple";

/// The network of the account's owner.
pub(crate) const HOME: &str = "192.0.2.1";
/// Another network.
pub(crate) const AWAY: &str = "198.51.100.7";

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

pub(crate) fn source(address: &str) -> Source {
    testkit::samples::source(address)
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

pub(crate) async fn try_to_register(
    world: &World,
    email: &str,
    password: &str,
) -> Result<Account, RegisterUserError> {
    let new = NewUser {
        email: email.to_owned(),
        password: secret(password),
        source: source(HOME),
        traceparent: None,
    };
    world.register_user().execute(new, soon()).await
}

/// The demo user's account.
pub(crate) async fn register(world: &World) -> Account {
    try_to_register(world, EMAIL, PASSWORD).await.unwrap()
}

pub(crate) async fn try_to_log_in(
    world: &World,
    email: &str,
    password: &str,
    from: &str,
) -> Result<SessionTokens, LogInError> {
    let credentials = Credentials {
        email: email.to_owned(),
        password: secret(password),
        source: source(from),
        traceparent: None,
    };
    world.log_in().execute(credentials, soon()).await
}

/// A session of the demo user: its bearer and its first refresh token.
pub(crate) async fn log_in(world: &World) -> (Bearer, SecretString) {
    let tokens = try_to_log_in(world, EMAIL, PASSWORD, HOME).await.unwrap();
    (bearer(&tokens), tokens.refresh)
}

/// The user and the session of an access token in these tests.
pub(crate) fn bearer(tokens: &SessionTokens) -> Bearer {
    let mut parts = tokens.access.token.expose_secret().split(' ').skip(2);
    Bearer {
        user_id: parts.next().unwrap().parse().unwrap(),
        session_id: parts.next().unwrap().parse().unwrap(),
    }
}

/// Every event of accounts and sessions, accounts first.
pub(crate) fn raised(world: &World) -> Vec<UserEvent> {
    let keys = world.tables.user_aggregates().into_iter();
    keys.flat_map(|key| world.tables.user_events(key).unwrap().raised).collect()
}

/// The kinds of an account's activities, the oldest first.
pub(crate) fn activity_kinds(world: &World, account: &Account) -> Vec<ActivityKind> {
    activities(world, account).iter().map(|activity| activity.kind).collect()
}

pub(crate) fn activities(world: &World, account: &Account) -> Vec<Activity> {
    let owner = ActivityOwner::User(account.user_id());
    let activities = world.tables.activities().into_iter().filter(|(known, _)| *known == owner);
    activities.map(|(_, activity)| activity).collect()
}

/// Deletes the bearer's account, from home.
pub(crate) async fn delete(
    world: &World,
    bearer: Bearer,
    password: &str,
) -> Result<(), ProtectedChangeError> {
    let request = Deletion { password: password.into(), source: source(HOME), traceparent: None };
    world.delete_account().execute(bearer, request, soon()).await
}
