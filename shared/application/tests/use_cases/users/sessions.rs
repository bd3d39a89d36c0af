//! Sessions are refreshed, and end.

use std::time::Duration;

use application::outcome::FailureClass;
use application::ports::Clock;
use application::users::change_password::NewPassword;
use application::users::log_in::SessionTokens;
use application::users::refresh_session::{REUSE_INTERVAL, RefreshError};
use application::users::show_account::ShowAccountError;
use domain::account::ActivityKind::{
    LoggedIn, LoggedOut, LoggedOutEverywhere, RefreshReused, Refreshed, Registered,
};
use domain::account::{EXCHANGES, LOGINS, REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use testkit::fault::{Fault, Operation};
use testkit::world::World;

use super::{
    HOME, PASSWORD, activity_kinds, bearer, delete, log_in, register, secret, soon, source,
};

async fn refresh(world: &World, token: &SecretString) -> Result<SessionTokens, RefreshError> {
    world.refresh_session().execute(token, source(HOME), soon()).await
}

/// Moves on until an exchange is no longer answered again.
fn later(world: &World) {
    world.clock.advance(REUSE_INTERVAL + Duration::from_millis(1));
}

async fn is_over(world: &World, token: &SecretString) -> bool {
    matches!(refresh(world, token).await, Err(RefreshError::Invalid(_)))
}

#[tokio::test(start_paused = true)]
async fn each_exchange_gives_the_next_token_of_the_same_session() {
    let world = World::default();
    let account = register(&world).await;
    let (begun, mut token) = log_in(&world).await;
    for _ in 0..5 {
        let next = refresh(&world, &token).await.unwrap();
        assert_eq!(bearer(&next), begun);
        token = next.refresh;
    }
    assert_eq!(activity_kinds(&world, &account)[2..], [Refreshed; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_twice_ends_its_session_and_no_other() {
    let world = World::default();
    let account = register(&world).await;
    let (_, other) = log_in(&world).await;
    let (begun, stolen) = log_in(&world).await;
    let refreshed = refresh(&world, &stolen).await.unwrap();
    later(&world);
    assert!(is_over(&world, &stolen).await);
    assert!(is_over(&world, &refreshed.refresh).await, "the whole session ends");
    assert!(world.show_account().execute(begun).await.is_err());
    assert!(refresh(&world, &other).await.is_ok());
    assert_eq!(
        activity_kinds(&world, &account),
        [Registered, LoggedIn, LoggedIn, Refreshed, RefreshReused, Refreshed]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_again_and_again_writes_one_record() {
    let world = World::default();
    let account = register(&world).await;
    let (_, stolen) = log_in(&world).await;
    refresh(&world, &stolen).await.unwrap();
    later(&world);
    for _ in 0..20 {
        assert!(is_over(&world, &stolen).await);
    }
    assert_eq!(world.tables.calls(Operation::EndSession), 1);
    assert_eq!(activity_kinds(&world, &account), [Registered, LoggedIn, Refreshed, RefreshReused]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_often_at_once_writes_one_record() {
    let world = World::default();
    let account = register(&world).await;
    let (_, stolen) = log_in(&world).await;
    refresh(&world, &stolen).await.unwrap();
    later(&world);
    join_all((0..20).map(|_| is_over(&world, &stolen))).await;
    assert_eq!(activity_kinds(&world, &account)[2..], [Refreshed, RefreshReused]);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_deleted_account_write_nothing() {
    let world = World::default();
    register(&world).await;
    let (begun, used) = log_in(&world).await;
    let newest = refresh(&world, &used).await.unwrap().refresh;
    delete(&world, begun, PASSWORD).await.unwrap();
    for token in [&used, &newest] {
        assert!(is_over(&world, token).await);
        world.log_out().one(token, source(HOME), soon()).await.unwrap();
    }
    assert_eq!(world.tables.activities(), []);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_is_answered_once_more_with_the_same_successor() {
    let world = World::default();
    let account = register(&world).await;
    let (begun, first) = log_in(&world).await;
    let tabs = join_all((0..10).map(|_| refresh(&world, &first))).await;
    let tabs: Vec<_> = tabs.into_iter().map(Result::unwrap).collect();
    let successor = tabs[0].refresh.expose_secret();
    for tab in &tabs {
        assert_eq!(tab.refresh.expose_secret(), successor);
        assert_eq!(bearer(tab), begun);
    }
    world.clock.advance(REUSE_INTERVAL);
    let retried = refresh(&world, &first).await.unwrap();
    assert_eq!(retried.refresh.expose_secret(), successor);
    assert_eq!(
        activity_kinds(&world, &account),
        [Registered, LoggedIn, Refreshed],
        "it is one exchange"
    );
    assert!(refresh(&world, &retried.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_whose_successor_was_used_is_not_answered_again() {
    let world = World::default();
    register(&world).await;
    let (_, first) = log_in(&world).await;
    let second = refresh(&world, &first).await.unwrap().refresh;
    let third = refresh(&world, &second).await.unwrap().refresh;
    assert!(is_over(&world, &first).await);
    assert!(is_over(&world, &third).await, "the whole session ends");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_whose_answer_was_lost_is_reported_as_done() {
    let world = World::default();
    register(&world).await;
    let (_, token) = log_in(&world).await;
    world.tables.script(Operation::Exchange, [Fault::Busy, Fault::ReplyLost]);
    let next = refresh(&world, &token).await.unwrap();
    assert!(refresh(&world, &next.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_whose_every_answer_was_lost_is_reported_as_done_when_it_is_found() {
    let world = World::default();
    register(&world).await;
    let (_, token) = log_in(&world).await;
    world.tables.fail_every_call(Operation::Exchange, Fault::ReplyLost);
    let next = refresh(&world, &token).await.unwrap();
    world.tables.heal(Operation::Exchange);
    assert!(refresh(&world, &next.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_meets_a_change_of_the_password_in_its_session_is_made_again() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, token) = log_in(&world).await;
    // The exchange has read the session, and writes while the password is changed.
    world.tables.script(Operation::Exchange, [Fault::Busy]);
    let changed = async {
        let (current, new) = (secret(PASSWORD), secret("another-horse-battery-staple"));
        let request = NewPassword { current, new, source: source(HOME) };
        world.change_password().execute(bearer, request, soon()).await
    };
    let (exchanged, changed) = tokio::join!(refresh(&world, &token), changed);
    changed.unwrap();
    let next = exchanged.unwrap();
    assert!(refresh(&world, &next.refresh).await.is_ok());
    assert_eq!(world.tables.account(account.user_id()).unwrap().session_epoch(), 1);
    assert!(world.tables.calls(Operation::Exchange) >= 3);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_meets_a_logout_everywhere_gives_no_tokens() {
    let world = World::default();
    register(&world).await;
    let (bearer, token) = log_in(&world).await;
    world.tables.script(Operation::Exchange, [Fault::Busy]);
    let log_out = world.log_out();
    let logout = log_out.everywhere(bearer, source(HOME), soon());
    let (exchanged, logout) = tokio::join!(refresh(&world, &token), logout);
    logout.unwrap();
    assert!(matches!(exchanged, Err(RefreshError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_unused_and_a_session_ends_however_often_it_is_refreshed() {
    let world = World::default();
    register(&world).await;
    let (_, unused) = log_in(&world).await;
    let (_, mut token) = log_in(&world).await;
    let half = REFRESH_TOKEN_LIFETIME / 2;
    let mut lived = Duration::ZERO;
    while lived + half < SESSION_LIFETIME {
        world.clock.advance(half);
        lived += half;
        token = refresh(&world, &token).await.unwrap().refresh;
    }
    assert!(is_over(&world, &unused).await);
    world.clock.advance(half);
    assert!(is_over(&world, &token).await);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_never_issued_is_not_good() {
    let world = World::default();
    for token in ["", "made up", "refresh 1"] {
        assert!(is_over(&world, &secret(token)).await, "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_ends_one_session_by_its_newest_or_an_older_token() {
    let world = World::default();
    let account = register(&world).await;
    for use_older in [false, true] {
        let (begun, first) = log_in(&world).await;
        let newest = refresh(&world, &first).await.unwrap().refresh;
        let (_, other) = log_in(&world).await;
        let token = if use_older { &first } else { &newest };
        world.log_out().one(token, source(HOME), soon()).await.unwrap();
        assert!(is_over(&world, &newest).await);
        assert!(world.show_account().execute(begun).await.is_err());
        assert!(refresh(&world, &other).await.is_ok());
        // A session that has ended already is a success as well.
        world.log_out().one(token, source(HOME), soon()).await.unwrap();
    }
    let ends = activity_kinds(&world, &account).into_iter().filter(|kind| *kind == LoggedOut);
    assert_eq!(ends.count(), 2);
    world.log_out().one(&secret("made up"), source(HOME), soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_logout_everywhere_ends_all_sessions_and_prevents_no_new_one() {
    let world = World::default();
    let account = register(&world).await;
    let (begun, one) = log_in(&world).await;
    let (_, other) = log_in(&world).await;
    world.tables.script(Operation::ChangeAccount, [Fault::Busy, Fault::ReplyLost]);
    world.log_out().everywhere(begun, source(HOME), soon()).await.unwrap();
    assert!(is_over(&world, &one).await && is_over(&world, &other).await);
    // The access token of a session that is over does not end new sessions.
    let again = world.log_out().everywhere(begun, source(HOME), soon()).await.unwrap_err();
    assert!(matches!(again, ShowAccountError::SessionOver));
    let (again, _) = log_in(&world).await;
    assert!(world.show_account().execute(again).await.is_ok());
    let ends =
        activity_kinds(&world, &account).into_iter().filter(|kind| *kind == LoggedOutEverywhere);
    assert_eq!(ends.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_table_is_away_no_token_is_exchanged_and_no_logout_is_reported_as_done() {
    let world = World::default();
    register(&world).await;
    let (begun, token) = log_in(&world).await;
    for operation in [Operation::FindSession, Operation::FindAccount, Operation::Exchange] {
        world.tables.fail_every_call(operation, Fault::Refused(FailureClass::Unavailable));
        let refused = refresh(&world, &token).await;
        assert!(matches!(refused, Err(RefreshError::Unavailable(_))), "{operation:?}");
        world.tables.heal(operation);
    }
    for operation in [Operation::EndSession, Operation::ChangeAccount] {
        world.tables.fail_every_call(operation, Fault::RequestLost);
    }
    assert!(world.log_out().one(&token, source(HOME), soon()).await.is_err());
    assert!(world.log_out().everywhere(begun, source(HOME), soon()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn exchanges_have_to_wait_when_an_account_made_too_many_in_all_its_sessions() {
    let world = World::default();
    register(&world).await;
    let (_, mut one) = log_in(&world).await;
    let (_, other) = log_in(&world).await;
    for _ in 0..EXCHANGES.at_once {
        one = refresh(&world, &one).await.unwrap().refresh;
    }
    let stored = world.tables.calls(Operation::Exchange);
    for token in [&one, &other] {
        let limited = refresh(&world, token).await.unwrap_err();
        let RefreshError::TooMany(wait) = limited else { panic!("{limited}") };
        assert!(wait <= EXCHANGES.interval, "{wait:?}");
    }
    assert_eq!(world.tables.calls(Operation::Exchange), stored);
    // The tokens are as good as before, one each interval.
    world.clock.advance(EXCHANGES.interval);
    let next = refresh(&world, &one).await.unwrap().refresh;
    assert!(matches!(refresh(&world, &other).await, Err(RefreshError::TooMany(_))));
    world.clock.advance(EXCHANGES.interval);
    assert!(refresh(&world, &other).await.is_ok());
    // An exchange that is answered again writes nothing and is not counted.
    let (_, first) = log_in(&world).await;
    world.clock.advance(EXCHANGES.interval);
    let successor = refresh(&world, &first).await.unwrap().refresh;
    let again = refresh(&world, &first).await.unwrap().refresh;
    assert_eq!(again.expose_secret(), successor.expose_secret());
    assert!(matches!(refresh(&world, &next).await, Err(RefreshError::TooMany(_))));
}

/// An honest user: ten devices, each of which uses the account all day.
#[tokio::test(start_paused = true)]
async fn ten_devices_never_have_to_wait() {
    const ACCESS_TOKEN: Duration = Duration::from_secs(15 * 60);
    let world = World::default();
    register(&world).await;
    let mut devices = Vec::new();
    for _ in 0..10 {
        devices.push(log_in(&world).await.1);
    }
    for _ in 0..24 * 4 {
        world.clock.advance(ACCESS_TOKEN);
        for device in &mut devices {
            *device = refresh(&world, device).await.unwrap().refresh;
        }
    }
    // A new password, and all of them at once again.
    for _ in 0..LOGINS.at_once / 10 {
        for _ in 0..10 {
            log_in(&world).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn exchanges_in_many_sessions_at_once_are_each_counted() {
    let world = World::default();
    let account = register(&world).await;
    let mut devices = Vec::new();
    for _ in 0..10 {
        devices.push(log_in(&world).await.1);
    }
    let refreshed = join_all(devices.iter().map(|token| refresh(&world, token))).await;
    assert!(refreshed.iter().all(Result::is_ok));
    let now = world.clock.now();
    let stored = world.tables.account(account.user_id()).unwrap().record().exchanges;
    assert_eq!(stored.moment().since(now), EXCHANGES.interval * 10);
}
