//! Registering users.

use application::events::StoredAggregate;
use application::outcome::FailureClass;
use application::users::register::RegisterUserError;
use contracts::event::EventType;
use domain::account::{ActivityKind, PasswordFault};
use domain::aggregate::AggregateKey;
use domain::pending::Publication;
use futures::future::join_all;
use testkit::fault::{Fault, Operation};
use testkit::world::World;

use super::{EMAIL, PASSWORD, activity_kinds, raised, register, try_to_register};

#[tokio::test(start_paused = true)]
async fn a_registered_user_has_an_account_an_event_and_an_activity() {
    let world = World::default();
    let account = register(&world).await;
    assert_eq!(account.email().as_typed(), EMAIL);
    assert_eq!(world.tables.account(account.user_id()).as_ref(), Some(&account));
    let key = AggregateKey::Account { user_id: account.user_id() };
    let stored = StoredAggregate::User(world.tables.user_events(key).unwrap());
    let [event_id] = stored.events().try_into().unwrap();
    let entry = stored.pending().get(event_id).unwrap();
    assert_eq!(entry.publication, Publication::Unsent, "no broker is involved");
    let message = stored.message(event_id).unwrap();
    assert_eq!(message.event_type, EventType::UserRegistered);
    assert_eq!(message.subject, account.user_id().to_string());
    assert!(!message.body.contains(EMAIL));
    assert_eq!(activity_kinds(&world, &account), [ActivityKind::Registered]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_address_or_password_is_refused_before_anything_is_done() {
    let world = World::default();
    for (email, password, fault) in [
        (EMAIL, "too short", PasswordFault::TooShort),
        (EMAIL, "passwordpassword", PasswordFault::Common),
        (EMAIL, "i am demo@example.com", PasswordFault::ContainsEmail),
    ] {
        let refused = try_to_register(&world, email, password).await.unwrap_err();
        assert!(matches!(refused, RegisterUserError::Password(found) if found == fault));
    }
    let refused = try_to_register(&world, "no address", PASSWORD).await.unwrap_err();
    assert!(matches!(refused, RegisterUserError::Email(_)));
    assert_eq!(world.tables.calls(Operation::Register), 0);
    assert_eq!(world.tables.calls(Operation::FindGuesses), 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_hundred_registrations_of_one_address_one_is_stored() {
    let world = World::default();
    let spellings = [EMAIL, "DEMO@EXAMPLE.COM", "Ｄemo@example.com", " demo@example.com"];
    let tries = (0..100).map(|n| try_to_register(&world, spellings[n % 4], PASSWORD));
    let tried = join_all(tries).await;
    let registered = tried.iter().filter(|tried| tried.is_ok()).count();
    let refused =
        tried.iter().filter(|tried| matches!(tried, Err(RegisterUserError::EmailTaken))).count();
    assert_eq!((registered, refused), (1, 99));
    assert_eq!(raised(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn registrations_from_one_network_are_limited() {
    let world = World::default();
    for n in 0..200 {
        try_to_register(&world, &format!("user{n}@example.com"), PASSWORD).await.unwrap();
    }
    // Also for an address that is taken, because the answer would show that.
    for email in ["user200@example.com", "user1@example.com"] {
        let refused = try_to_register(&world, email, PASSWORD).await.unwrap_err();
        let RegisterUserError::TooMany(wait) = refused else { panic!("{refused:?}") };
        assert_eq!(wait.as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_registration_whose_answer_was_lost_is_reported_as_done() {
    let world = World::default();
    world.tables.script(Operation::Register, [Fault::Busy, Fault::ReplyLost]);
    let account = register(&world).await;
    assert_eq!(world.tables.calls(Operation::Register), 3);
    assert_eq!(world.tables.account(account.user_id()), Some(account));
    assert_eq!(raised(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_table_is_away_nobody_registers() {
    for operation in [Operation::FindGuesses, Operation::ReplaceGuesses, Operation::Register] {
        let world = World::default();
        world.tables.fail_every_call(operation, Fault::Refused(FailureClass::Throttled));
        let refused = try_to_register(&world, EMAIL, PASSWORD).await.unwrap_err();
        assert!(matches!(refused, RegisterUserError::Unavailable(_)), "{operation:?}");
        assert_eq!(raised(&world), []);
    }
}
