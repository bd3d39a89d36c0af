//! Users log in, and attackers guess.

use std::time::Duration;

use application::outcome::FailureClass;
use application::ports::ActivityOwner;
use application::users::log_in::LogInError;
use domain::account::ActivityKind::{Locked, LoggedIn, LoginFailed, LoginLimited, Registered};
use domain::account::LOGINS;
use domain::account::UserFact;
use futures::future::join_all;
use testkit::fault::{Fault, Operation};
use testkit::world::World;

use super::{
    AWAY, EMAIL, HOME, PASSWORD, WRONG, activities, activity_kinds, bearer, log_in, raised,
    register, source, try_to_log_in, try_to_register,
};

/// How many wrong passwords are let through at once.
const FREE: u64 = 10;

async fn guess(world: &World, from: &str) -> LogInError {
    try_to_log_in(world, EMAIL, WRONG, from).await.unwrap_err()
}

fn wait_of(error: &LogInError) -> Option<Duration> {
    match error {
        LogInError::TooMany(wait) => Some(*wait),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_begins_a_session_and_raises_an_event() {
    let world = World::default();
    let account = register(&world).await;
    let tokens = try_to_log_in(&world, "Demo@EXAMPLE.com", PASSWORD, HOME).await.unwrap();
    assert_eq!(bearer(&tokens).user_id, account.user_id());
    let facts: Vec<_> = raised(&world).iter().map(|event| event.fact).collect();
    assert_eq!(facts, [UserFact::Registered, UserFact::LoggedIn]);
    assert_eq!(activity_kinds(&world, &account), [Registered, LoggedIn]);
    let line = activities(&world, &account).pop().unwrap();
    assert_eq!(line.session, Some(bearer(&tokens).session_id));
    assert_eq!(line.source, source(HOME));
}

/// Makes a wrong guess. Returns the error, and how often each port was called.
async fn calls_of_guess(world: &World, email: &str, network: &str) -> (LogInError, Vec<u64>) {
    let operations = [
        Operation::KnowsSource,
        Operation::FindGuesses,
        Operation::ReplaceGuesses,
        Operation::FindAccount,
        Operation::RecordActivity,
    ];
    let calls = || operations.map(|operation| world.tables.calls(operation));
    let before = calls();
    let error = try_to_log_in(world, email, WRONG, network).await.unwrap_err();
    let made = calls().iter().zip(before).map(|(after, before)| after - before).collect();
    (error, made)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_address_a_wrong_password_and_no_address_make_the_same_calls() {
    let mut seen = Vec::new();
    for email in [EMAIL, "nobody@example.com", "no address at all"] {
        let world = World::default();
        register(&world).await;
        let (error, made) = calls_of_guess(&world, email, AWAY).await;
        assert!(matches!(error, LogInError::WrongCredentials), "{email}");
        seen.push((made, world.passwords.verified()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test(start_paused = true)]
async fn a_guess_makes_the_same_calls_from_a_network_that_the_account_knows() {
    let world = World::default();
    register(&world).await;
    log_in(&world).await;
    let mut seen = Vec::new();
    // The eleventh has to wait.
    for network in [HOME, AWAY] {
        for _ in 0..12 {
            let (_, made) = calls_of_guess(&world, EMAIL, network).await;
            seen.push(made);
        }
    }
    assert_eq!(seen[..12], seen[12..]);
}

#[tokio::test(start_paused = true)]
async fn of_two_hundred_guesses_at_once_ten_are_verified() {
    let world = World::default();
    let account = register(&world).await;
    let networks: Vec<_> = (0..200).map(|n| format!("198.51.100.{n}")).collect();
    let guesses = join_all(networks.iter().map(|from| guess(&world, from))).await;
    assert_eq!(world.passwords.verified(), FREE);
    let waiting = guesses.iter().filter(|guess| wait_of(guess).is_some()).count();
    assert_eq!(waiting, 190);
    let mut kinds = activity_kinds(&world, &account);
    kinds.sort_by_key(|kind| kind.as_str());
    assert_eq!(kinds.iter().filter(|kind| **kind == LoginFailed).count(), 10);
    assert_eq!(kinds.iter().filter(|kind| **kind == Locked).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_guess_that_is_one_too_many_waits_longer() {
    let world = World::default();
    register(&world).await;
    for _ in 0..FREE {
        guess(&world, AWAY).await;
    }
    let mut waits = Vec::new();
    for _ in 0..9 {
        let wait = wait_of(&guess(&world, AWAY).await).unwrap();
        // A moment has passed since the guess that caused the wait.
        waits.push(wait.as_secs().next_multiple_of(30));
        world.clock.advance(wait);
        assert_eq!(wait_of(&guess(&world, AWAY).await), None);
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
}

#[tokio::test(start_paused = true)]
async fn a_new_user_is_not_kept_out_of_the_network_that_they_registered_from() {
    let world = World::default();
    register(&world).await;
    for n in 0..200 {
        guess(&world, &format!("198.51.100.{n}")).await;
    }
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
}

// A limit of the protection of known networks: ADR 0009.
#[tokio::test(start_paused = true)]
async fn an_attacker_who_never_stops_keeps_the_owner_out_of_new_networks_and_of_no_known_one() {
    let world = World::default();
    register(&world).await;
    let (mut verified, mut let_in) = (0, 0);
    for _ in 0..FREE {
        guess(&world, AWAY).await;
    }
    for minute in 0..24 * 60 {
        // From many networks, so that no network has to wait because of its own guesses.
        let from = format!("198.51.100.{}", minute % 100);
        verified += u32::from(wait_of(&guess(&world, &from).await).is_none());
        let elsewhere = try_to_log_in(&world, EMAIL, PASSWORD, "203.0.113.9").await;
        assert!(wait_of(&elsewhere.unwrap_err()).is_some(), "{minute}");
        let_in += u32::from(try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.is_ok());
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(let_in, 24 * 60);
    // Seven while the waits grow, and then one an hour.
    assert!((20..=7 + 24).contains(&verified), "{verified}");
}

#[tokio::test(start_paused = true)]
async fn an_attacker_does_not_keep_the_owner_out_of_a_network_that_the_account_knows() {
    let world = World::default();
    register(&world).await;
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    for n in 0..200 {
        guess(&world, &format!("198.51.100.{n}")).await;
    }
    let elsewhere = try_to_log_in(&world, EMAIL, PASSWORD, AWAY).await.unwrap_err();
    assert!(wait_of(&elsewhere).is_some());
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    // And nobody is locked out for good.
    world.clock.advance(Duration::from_secs(3_600));
    try_to_log_in(&world, EMAIL, PASSWORD, AWAY).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_network_that_tries_many_accounts_has_to_wait() {
    let world = World::default();
    let mut verified = 0;
    for n in 0..1_000 {
        let email = format!("user{n}@example.com");
        let error = try_to_log_in(&world, &email, WRONG, AWAY).await.unwrap_err();
        verified += u32::from(wait_of(&error).is_none());
    }
    assert_eq!(verified, 30);
    // Others are not affected.
    register(&world).await;
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tries_at_an_account_that_waits_are_not_counted_for_their_network() {
    let world = World::default();
    register(&world).await;
    for n in 0..FREE {
        guess(&world, &format!("198.51.100.{n}")).await;
    }
    for _ in 0..100 {
        assert!(wait_of(&guess(&world, "203.0.113.9").await).is_some());
    }
    // Somebody else behind the same address.
    try_to_register(&world, "other@example.com", PASSWORD).await.unwrap();
    try_to_log_in(&world, "other@example.com", PASSWORD, "203.0.113.9").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_network_that_has_to_wait_makes_no_account_wait() {
    let world = World::default();
    register(&world).await;
    for n in 0..30 {
        let email = format!("user{n}@example.com");
        try_to_log_in(&world, &email, WRONG, AWAY).await.unwrap_err();
    }
    for _ in 0..100 {
        assert!(wait_of(&guess(&world, AWAY).await).is_some());
    }
    try_to_log_in(&world, EMAIL, PASSWORD, "203.0.113.9").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_not_counted_if_no_session_could_begin() {
    for from in [HOME, AWAY] {
        let world = World::default();
        register(&world).await;
        world.tables.fail_every_call(Operation::LogIn, Fault::Refused(FailureClass::Throttled));
        for _ in 0..2 * FREE {
            let refused = try_to_log_in(&world, EMAIL, PASSWORD, from).await.unwrap_err();
            assert!(matches!(refused, LogInError::Unavailable(_)), "{from}");
        }
        world.tables.heal(Operation::LogIn);
        try_to_log_in(&world, EMAIL, PASSWORD, from).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn logins_to_an_account_of_their_own_give_attackers_no_more_guesses() {
    let world = World::default();
    register(&world).await;
    for round in 0..40 {
        let guess = guess_at_another_account(&world, round).await;
        // The login to their own account is right, and is taken back.
        let login = try_to_log_in(&world, EMAIL, PASSWORD, AWAY).await;
        assert!(login.is_ok() || round > 28, "{round}");
        if round > 30 {
            assert!(wait_of(&guess).is_some(), "{round}");
        }
    }
}

async fn guess_at_another_account(world: &World, number: u32) -> LogInError {
    let email = format!("user{number}@example.com");
    try_to_log_in(world, &email, WRONG, AWAY).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_right_password_resets_the_count_of_wrong_ones() {
    let world = World::default();
    register(&world).await;
    for _ in 0..5 {
        for _ in 0..FREE - 1 {
            assert_eq!(wait_of(&guess(&world, HOME).await), None);
        }
        try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_outdated_hash_is_replaced_at_login_and_no_other() {
    let world = World::default();
    let account = register(&world).await;
    let hash = |world: &World| {
        let stored = world.tables.account(account.user_id()).unwrap();
        stored.password_hash().as_phc().to_owned()
    };
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    assert_eq!(hash(&world), format!("0${PASSWORD}"));
    world.passwords.set_cost(7);
    guess(&world, HOME).await;
    assert_eq!(hash(&world), format!("0${PASSWORD}"));
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    assert_eq!(hash(&world), format!("7${PASSWORD}"));
    // A lower cost replaces no hash.
    world.passwords.set_cost(3);
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    assert_eq!(hash(&world), format!("7${PASSWORD}"));
}

#[tokio::test(start_paused = true)]
async fn logins_at_once_all_begin_sessions() {
    let world = World::default();
    let account = register(&world).await;
    let logins = (0..8).map(|_| try_to_log_in(&world, EMAIL, PASSWORD, HOME));
    for login in join_all(logins).await {
        login.unwrap();
    }
    assert_eq!(world.tables.account(account.user_id()).unwrap().version(), 9);
}

#[tokio::test(start_paused = true)]
async fn right_logins_of_many_at_once_from_one_network_do_not_make_each_other_wait() {
    let world = World::default();
    let emails: Vec<_> = (0..60).map(|n| format!("user{n}@example.com")).collect();
    for email in &emails {
        try_to_register(&world, email, PASSWORD).await.unwrap();
    }
    let logins = emails.iter().map(|email| try_to_log_in(&world, email, PASSWORD, AWAY));
    for login in join_all(logins).await {
        login.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_answer_was_lost_is_reported_as_done() {
    let world = World::default();
    let account = register(&world).await;
    world.tables.script(Operation::LogIn, [Fault::Busy, Fault::ReplyLost]);
    try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap();
    assert_eq!(world.tables.account(account.user_id()).unwrap().version(), 2);
    assert_eq!(activity_kinds(&world, &account), [Registered, LoggedIn]);
}

#[tokio::test(start_paused = true)]
async fn nothing_fails_open() {
    for operation in [
        Operation::KnowsSource,
        Operation::FindGuesses,
        Operation::ReplaceGuesses,
        Operation::FindAccount,
        Operation::LogIn,
    ] {
        for fault in [Fault::Refused(FailureClass::Throttled), Fault::RequestLost] {
            let world = World::default();
            register(&world).await;
            world.tables.fail_every_call(operation, fault);
            let refused = try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap_err();
            assert!(matches!(refused, LogInError::Unavailable(_)), "{operation:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_recorded_is_not_reported_as_a_wrong_password() {
    let world = World::default();
    register(&world).await;
    world.tables.fail_every_call(Operation::RecordActivity, Fault::RequestLost);
    assert!(matches!(guess(&world, HOME).await, LogInError::Unavailable(_)));
}

#[tokio::test(start_paused = true)]
async fn failures_without_an_account_are_recorded_under_a_digest_of_the_address() {
    let world = World::default();
    try_to_log_in(&world, "nobody@example.com", WRONG, AWAY).await.unwrap_err();
    let [(owner, line)] = world.tables.activities().try_into().unwrap();
    assert!(matches!(owner, ActivityOwner::UnknownAddress(_)));
    assert_eq!(line.kind, LoginFailed);
    let ActivityOwner::UnknownAddress(digest) = owner else { panic!("{owner:?}") };
    assert!(!digest.to_string().contains("nobody"));
}

/// Logs in from home until the account allows no more for now.
async fn log_in_to_the_limit(world: &World) {
    for _ in 0..LOGINS.at_once {
        log_in(world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn right_logins_have_to_wait_when_there_were_too_many() {
    let world = World::default();
    let account = register(&world).await;
    log_in_to_the_limit(&world).await;
    let stored = world.tables.calls(Operation::LogIn);
    let limited = try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap_err();
    let LogInError::TooManyLogins(wait) = limited else { panic!("{limited}") };
    assert!(wait <= LOGINS.interval, "{wait:?}");
    // No session, no event; but the owner sees that somebody knows the password.
    assert_eq!(world.tables.calls(Operation::LogIn), stored);
    assert_eq!(raised(&world).len(), 1 + usize::try_from(LOGINS.at_once).unwrap());
    assert_eq!(activity_kinds(&world, &account).last(), Some(&LoginLimited));
    // The wait that the answer names is enough, and no other account has to wait.
    try_to_register(&world, "other@example.com", PASSWORD).await.unwrap();
    assert!(try_to_log_in(&world, "other@example.com", PASSWORD, HOME).await.is_ok());
    world.clock.advance(wait);
    log_in(&world).await;
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_logins_shows_nothing_without_the_password() {
    let mut seen = Vec::new();
    for limited in [false, true] {
        let world = World::default();
        let account = register(&world).await;
        if limited {
            log_in_to_the_limit(&world).await;
        }
        let (error, made) = calls_of_guess(&world, EMAIL, AWAY).await;
        assert!(matches!(error, LogInError::WrongCredentials), "{error}");
        assert_eq!(activity_kinds(&world, &account).last(), Some(&LoginFailed));
        let (unknown, made_of_unknown) = calls_of_guess(&world, "nobody@example.com", AWAY).await;
        assert!(matches!(unknown, LogInError::WrongCredentials), "{unknown}");
        assert_eq!(made, made_of_unknown);
        seen.push(made);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_trying_after_too_many_logins_is_refused_before_a_hash_is_computed() {
    let world = World::default();
    let account = register(&world).await;
    log_in_to_the_limit(&world).await;
    let verified = world.passwords.verified();
    for _ in 0..50 {
        let refused = try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.unwrap_err();
        assert!(matches!(refused, LogInError::TooManyLogins(_) | LogInError::TooMany(_)));
    }
    assert_eq!(world.passwords.verified() - verified, FREE);
    let kinds = activity_kinds(&world, &account);
    let limited = kinds.iter().filter(|kind| **kind == LoginLimited).count();
    assert_eq!(u64::try_from(limited).unwrap(), FREE);
    // The next login that succeeds forgets them.
    world.clock.advance(LOGINS.interval);
    log_in(&world).await;
    world.clock.advance(LOGINS.interval);
    log_in(&world).await;
}
