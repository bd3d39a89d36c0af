//! What users do with their accounts.

use application::ports::{AddressDigest, Bearer, Clock, KnownSources};
use application::users::change_password::{ChangePasswordError, NewPassword};
use application::users::current_password::ProtectedChangeError::{
    TooMany, Unavailable, WrongPassword,
};
use application::users::show_account::ShowAccountError;
use domain::account::{ActivityKind, PasswordFault};
use testkit::fault::{Fault, Operation};
use testkit::world::World;

use super::{
    AWAY, EMAIL, HOME, PASSWORD, WRONG, activities, activity_kinds, delete, log_in, register,
    secret, soon, source, try_to_log_in, try_to_register,
};

const NEW: &str = "another-horse-battery-staple";

async fn change(
    world: &World,
    bearer: Bearer,
    current: &str,
    new: &str,
) -> Result<(), ChangePasswordError> {
    let request = NewPassword { current: secret(current), new: secret(new), source: source(HOME) };
    world.change_password().execute(bearer, request, soon()).await
}

#[tokio::test(start_paused = true)]
async fn users_see_their_account() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let shown = world.show_account().execute(bearer).await.unwrap();
    assert_eq!((shown.user_id(), shown.email()), (account.user_id(), account.email()));
}

#[tokio::test(start_paused = true)]
async fn a_new_password_ends_all_other_sessions() {
    let world = World::default();
    let account = register(&world).await;
    let (other, _) = log_in(&world).await;
    let (bearer, token) = log_in(&world).await;
    change(&world, bearer, PASSWORD, NEW).await.unwrap();
    assert!(world.show_account().execute(bearer).await.is_ok());
    assert!(world.refresh_session().execute(&token, source(HOME), soon()).await.is_ok());
    let over = world.show_account().execute(other).await.unwrap_err();
    assert!(matches!(over, ShowAccountError::SessionOver));
    assert!(try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.is_err());
    assert!(try_to_log_in(&world, EMAIL, NEW, HOME).await.is_ok());
    assert!(activity_kinds(&world, &account).contains(&ActivityKind::PasswordChanged));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_not_changed_without_the_current_one_or_to_a_bad_one() {
    let world = World::default();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let refused = change(&world, bearer, WRONG, NEW).await.unwrap_err();
    assert!(matches!(refused, ChangePasswordError::Refused(WrongPassword)));
    let refused = change(&world, bearer, PASSWORD, "too short").await.unwrap_err();
    assert!(matches!(refused, ChangePasswordError::Fault(PasswordFault::TooShort)));
    assert!(try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stolen_access_token_allows_few_guesses_at_the_password_and_its_owner_sees_them() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let mut verified = 0;
    for _ in 0..50 {
        match change(&world, bearer, WRONG, NEW).await.unwrap_err() {
            ChangePasswordError::Refused(WrongPassword) => verified += 1,
            // Of 30 s, less the time that has passed since the last guess.
            ChangePasswordError::Refused(TooMany(wait)) => {
                assert!((25..=30).contains(&wait.as_secs()), "{wait:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(verified, 10);
    let mut kinds = activity_kinds(&world, &account);
    assert_eq!(kinds.pop(), Some(ActivityKind::Locked));
    assert_eq!(kinds[2..], [ActivityKind::PasswordChangeFailed; 10]);
    let lines = activities(&world, &account);
    assert!(
        lines[2..]
            .iter()
            .all(|line| { line.session == Some(bearer.session_id) && line.source == source(HOME) })
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_that_cannot_be_recorded_is_not_reported_as_one() {
    let world = World::default();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    world.tables.fail_every_call(Operation::RecordActivity, Fault::RequestLost);
    let refused = change(&world, bearer, WRONG, NEW).await.unwrap_err();
    assert!(matches!(refused, ChangePasswordError::Refused(Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_new_password_forgets_all_known_networks_except_its_own() {
    let world = World::default();
    let account = register(&world).await;
    try_to_log_in(&world, EMAIL, PASSWORD, AWAY).await.unwrap();
    let (bearer, _) = log_in(&world).await;
    let address = AddressDigest::of(account.email());
    let knows = async |from: &str| {
        world.tables.knows(address, source(from), world.clock.now()).await.unwrap()
    };
    assert!(knows(HOME).await && knows(AWAY).await);
    change(&world, bearer, PASSWORD, NEW).await.unwrap();
    assert!(knows(HOME).await && !knows(AWAY).await);
    // If the networks can't be forgotten, the change is not reported as done.
    world.tables.fail_every_call(Operation::ForgetSources, Fault::RequestLost);
    let refused = change(&world, bearer, NEW, PASSWORD).await.unwrap_err();
    assert!(matches!(refused, ChangePasswordError::Refused(Unavailable(_))));
    assert!(try_to_log_in(&world, EMAIL, NEW, HOME).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_reported_as_done() {
    let world = World::default();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    world.tables.script(Operation::ChangeAccount, [Fault::Busy, Fault::ReplyLost]);
    change(&world, bearer, PASSWORD, NEW).await.unwrap();
    assert!(try_to_log_in(&world, EMAIL, NEW, HOME).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_leaves_nothing_of_its_owner_behind() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, token) = log_in(&world).await;
    delete(&world, bearer, PASSWORD).await.unwrap();
    assert_eq!(world.tables.account(account.user_id()), None);
    assert_eq!(activity_kinds(&world, &account), []);
    let over = world.show_account().execute(bearer).await.unwrap_err();
    assert!(matches!(over, ShowAccountError::SessionOver));
    assert!(world.refresh_session().execute(&token, source(HOME), soon()).await.is_err());
    assert!(try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.is_err());
    let again = try_to_register(&world, EMAIL, NEW).await.unwrap();
    assert_ne!(again.user_id(), account.user_id());
}

#[tokio::test(start_paused = true)]
async fn nobody_deletes_an_account_without_its_password() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    for _ in 0..10 {
        let refused = delete(&world, bearer, WRONG).await.unwrap_err();
        assert!(matches!(refused, WrongPassword), "{refused:?}");
    }
    // Not with the right one either, until the wait is over.
    let refused = delete(&world, bearer, PASSWORD).await.unwrap_err();
    assert!(matches!(refused, TooMany(_)), "{refused:?}");
    assert!(world.tables.account(account.user_id()).is_some());
    let kinds = activity_kinds(&world, &account);
    let failed = kinds.iter().filter(|kind| **kind == ActivityKind::AccountDeletionFailed).count();
    assert_eq!((failed, kinds.contains(&ActivityKind::Locked)), (10, true), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_failed_on_the_way_is_repeated_by_its_owner() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    for operation in [Operation::EraseTraces, Operation::DeleteAccount] {
        world.tables.fail_every_call(operation, Fault::RequestLost);
        assert!(delete(&world, bearer, PASSWORD).await.is_err());
        world.tables.heal(operation);
    }
    assert!(world.tables.account(account.user_id()).is_some());
    delete(&world, bearer, PASSWORD).await.unwrap();
    assert_eq!(world.tables.account(account.user_id()), None);
}

#[tokio::test(start_paused = true)]
async fn users_list_what_their_account_was_used_for_the_newest_first() {
    let world = World::default();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    for _ in 0..3 {
        try_to_log_in(&world, EMAIL, WRONG, AWAY).await.unwrap_err();
    }
    let page = world.list_activity().execute(bearer, None).await.unwrap();
    let listed: Vec<_> = page.items.iter().map(|line| (line.kind, line.source)).collect();
    let (failed, home) = ((ActivityKind::LoginFailed, source(AWAY)), source(HOME));
    assert_eq!(
        listed,
        [failed, failed, failed, (ActivityKind::LoggedIn, home), (ActivityKind::Registered, home)]
    );
    assert_eq!(page.next, None);
}
