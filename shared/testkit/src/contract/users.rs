//! `Accounts`, `AccountRepository` and `AccountRemoval`.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{ItemReason, WriteTry};
use application::ports::{
    AccountAtKey, AccountChange, AccountRemoval, AccountRepository, Accounts, ActivityLog,
    ActivityOwner, ActivityReader, AddressDigest, CancelledChange, CancelledRegistration,
    IdentitySource, KnownSourceRemoval, KnownSources, Sessions,
};
use application::users::judging::{
    EmailTaken, Judged, Settled, Stale, judge_change, judge_deletion, judge_login,
    judge_registration,
};
use domain::account::{Account, ActivityKind, PasswordHash};
use domain::identity::TransactionId;
use domain::timestamp::Timestamp;
use futures::future::join_all;

use super::fixture::{outcome, settled};
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{
    LoggedInUser, RegisteredUser, activity, deleted, email, logged_in, registered, source,
};

pub(super) async fn register(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    address: &str,
) -> RegisteredUser {
    let user = registered(identities, address, moment(0));
    let stored = fixture.accounts().register(&user.registration(), soon()).await;
    assert!(matches!(stored, WriteTry::Done), "{stored:?}");
    user
}

pub(super) async fn log_in(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    account: &Account,
    token: &str,
) -> LoggedInUser {
    let login = logged_in(identities, account, token, moment(1));
    let stored = fixture.accounts().log_in(&login.login(), soon()).await;
    assert!(matches!(stored, WriteTry::Done), "{stored:?}");
    login
}

fn outcome_of(
    tried: &WriteTry<CancelledRegistration>,
    user: &RegisteredUser,
) -> Judged<EmailTaken> {
    let (user_id, attempt) = (user.account.user_id(), user.pending.transaction_id);
    outcome(tried, |met| judge_registration(met, user_id, attempt))
}

async fn by_id(fixture: &impl TableFixture, account: &Account) -> Option<Account> {
    Accounts::by_id(&fixture.accounts(), account.user_id()).await.unwrap()
}

fn new_password(account: &Account) -> Account {
    account.change_password(PasswordHash::from_phc("$argon2id$another".to_owned()))
}

async fn change(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    account: &Account,
    attempt: TransactionId,
) -> WriteTry<CancelledChange> {
    let change = AccountChange {
        account,
        attempt,
        keep: None,
        activity: &activity(identities, ActivityKind::PasswordChanged, moment(2)),
    };
    fixture.accounts().change(&change, soon()).await
}

fn is_stale(tried: &WriteTry<CancelledChange>, attempt: TransactionId) -> bool {
    outcome(tried, |met| judge_change(met, attempt)) == Some(Settled::Refused(Stale))
}

async fn change_twice(fixture: &impl TableFixture, change: &AccountChange<'_>) {
    let first = fixture.accounts().change(change, soon()).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    let again = fixture.accounts().change(change, soon()).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    let attempt = change.attempt;
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(judge_change(met, attempt), Some(Settled::Stored));
}

pub async fn a_registered_account_is_found_by_its_address_and_by_its_number(
    fixture: &impl TableFixture,
) {
    let user = register(fixture, &SequentialIdentities::default(), "demo@example.com").await;
    let accounts = fixture.accounts();
    let found = accounts.by_email(&email("DEMO@example.com")).await.unwrap();
    assert_eq!(found.as_ref(), Some(&user.account));
    assert_eq!(by_id(fixture, &user.account).await, found);
    assert_eq!(accounts.by_email(&email("nobody@example.com")).await.unwrap(), None);
}

pub async fn an_address_is_kept_as_it_was_typed(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let typed = "Jos\u{e9}.Straße@Example.COM";
    let user = register(fixture, &identities, typed).await;
    let stored = fixture.accounts().by_email(&email("JOSE\u{301}.STRASSE@example.com")).await;
    assert_eq!(stored.unwrap().unwrap().email().as_typed(), typed);
    // A change of the account leaves it.
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let changed = new_password(&login.account);
    let stored = change(fixture, &identities, &changed, identities.transaction_id()).await;
    assert!(matches!(stored, WriteTry::Done), "{stored:?}");
    assert_eq!(by_id(fixture, &user.account).await.unwrap().email().as_typed(), typed);
}

pub async fn a_dotless_i_is_in_another_address(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let mike = register(fixture, &identities, "mike@example.com").await;
    let other = register(fixture, &identities, "m\u{131}ke@example.com").await;
    let accounts = fixture.accounts();
    for user in [&mike, &other] {
        let found = accounts.by_email(user.account.email()).await.unwrap();
        assert_eq!(found.as_ref(), Some(&user.account));
    }
}

pub async fn an_address_belongs_to_one_account(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let first = register(fixture, &identities, "demo@example.com").await;
    let second = registered(&identities, "Demo@Example.com", moment(1));
    let refused = fixture.accounts().register(&second.registration(), soon()).await;
    assert_eq!(outcome_of(&refused, &second), Some(Settled::Refused(EmailTaken)), "{refused:?}");
    assert_eq!(by_id(fixture, &second.account).await, None);
    assert_eq!(by_id(fixture, &second.account).await, None);
    assert_eq!(by_id(fixture, &first.account).await, Some(first.account));
}

pub async fn of_a_hundred_registrations_of_one_address_at_once_one_is_stored(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let spellings = ["straße@example.com", "STRASSE@EXAMPLE.COM", "ｓtraẞe@example.com"];
    let users: Vec<_> = spellings
        .iter()
        .cycle()
        .take(100)
        .map(|spelling| registered(&identities, spelling, moment(0)))
        .collect();
    let repository = &fixture.accounts();
    let tries = users.iter().map(async |user| {
        let register = async || repository.register(&user.registration(), soon()).await;
        let (user_id, attempt) = (user.account.user_id(), user.pending.transaction_id);
        let is_open = |met: &_| judge_registration(met, user_id, attempt).is_none();
        outcome_of(&settled(register, is_open).await, user)
    });
    let outcomes = join_all(tries).await;
    let stored = outcomes.iter().filter(|outcome| **outcome == Some(Settled::Stored)).count();
    let refused =
        outcomes.iter().filter(|outcome| **outcome == Some(Settled::Refused(EmailTaken))).count();
    assert_eq!((stored, refused), (1, 99), "{outcomes:?}");
}

pub async fn an_account_knows_the_source_that_it_was_registered_from(fixture: &impl TableFixture) {
    let user = register(fixture, &SequentialIdentities::default(), "demo@example.com").await;
    let (accounts, address) = (fixture.accounts(), AddressDigest::of(user.account.email()));
    let until = user.registration().source_known_until;
    let before = Timestamp::from_millis(until.as_millis() - 1_000);
    assert!(accounts.knows(address, user.activity.source, before).await.unwrap());
    assert!(!accounts.knows(address, user.activity.source, until).await.unwrap());
    assert!(!accounts.knows(address, source("192.0.2.7"), before).await.unwrap());
}

pub async fn all_sources_of_an_account_but_one_are_forgotten(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let other = register(fixture, &identities, "other@example.com").await;
    let accounts = fixture.accounts();
    let digest = |account: &Account| AddressDigest::of(account.email());
    let sources: Vec<_> = (0..60).map(|n| source(&format!("198.51.100.{n}"))).collect();
    for account in [&user.account, &other.account] {
        for source in &sources {
            accounts.remember(digest(account), *source, moment(1_000)).await.unwrap();
        }
    }
    for _ in 0..2 {
        accounts.forget_all_except(&user.account, Some(sources[30])).await.unwrap();
        for (n, source) in sources.iter().enumerate() {
            let known = accounts.knows(digest(&user.account), *source, moment(1)).await.unwrap();
            assert_eq!(known, n == 30, "{n}");
            assert!(accounts.knows(digest(&other.account), *source, moment(1)).await.unwrap());
        }
    }
    // The one to keep does not become known if it was not.
    accounts.forget_all_except(&user.account, Some(source("192.0.2.7"))).await.unwrap();
    for source in [sources[30], source("192.0.2.7")] {
        assert!(!accounts.knows(digest(&user.account), source, moment(1)).await.unwrap());
    }
}

pub async fn a_second_try_of_a_registration_meets_the_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let (user_id, attempt) = (user.account.user_id(), user.pending.transaction_id);
    let again = fixture.accounts().register(&user.registration(), soon()).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(met.address.found(), Some(&user_id));
    assert_eq!(outcome_of(&again, &user), Some(Settled::Stored));
    // Also after a later change of the account.
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let again = fixture.accounts().register(&user.registration(), soon()).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    let attempt = login.pending.transaction_id;
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(met.address.found(), Some(&user_id));
    assert_eq!(outcome_of(&again, &user), Some(Settled::Stored));
}

pub async fn a_login_stores_the_account_and_the_session(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    assert_eq!(by_id(fixture, &user.account).await, Some(login.account));
    let session = Sessions::by_id(&fixture.accounts(), login.session.id()).await.unwrap();
    assert_eq!(session, Some(login.session));
}

pub async fn a_login_is_stale_when_the_account_was_changed_meanwhile(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    log_in(fixture, &identities, &user.account, "token").await;
    let late = logged_in(&identities, &user.account, "late", moment(2));
    let tried = fixture.accounts().log_in(&late.login(), soon()).await;
    let judged = outcome(&tried, |met| judge_login(met, late.pending.transaction_id));
    assert_eq!(judged, Some(Settled::Refused(Stale)), "{tried:?}");
    assert_eq!(Sessions::by_id(&fixture.accounts(), late.session.id()).await.unwrap(), None);
}

pub async fn a_second_try_of_a_login_meets_the_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let attempt = login.pending.transaction_id;
    let again = fixture.accounts().log_in(&login.login(), soon()).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    assert!(met.added.condition_failed(), "{met:?}");
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(judge_login(met, attempt), Some(Settled::Stored));
    // Also after a later change of the account.
    let later = log_in(fixture, &identities, &login.account, "another").await;
    let again = fixture.accounts().log_in(&login.login(), soon()).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    assert!(met.added.condition_failed(), "{met:?}");
    let last = AccountAtKey::Live { attempt: later.pending.transaction_id };
    assert_eq!(met.account.found(), Some(&last));
    assert_eq!(judge_login(met, attempt), Some(Settled::Stored));
}

pub async fn a_change_is_stored_once(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let changed = new_password(&user.account);
    let change_of = AccountChange {
        account: &changed,
        attempt: identities.transaction_id(),
        keep: None,
        activity: &activity(&identities, ActivityKind::PasswordChanged, moment(2)),
    };
    change_twice(fixture, &change_of).await;
    assert_eq!(by_id(fixture, &user.account).await, Some(changed.clone()));
    let attempt = identities.transaction_id();
    let another = change(fixture, &identities, &changed, attempt).await;
    assert!(is_stale(&another, attempt), "{another:?}");
}

pub async fn a_kept_session_belongs_to_the_accounts_new_epoch(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let changed = new_password(&login.account);
    let change = AccountChange {
        account: &changed,
        attempt: identities.transaction_id(),
        keep: Some(login.session.id()),
        activity: &activity(&identities, ActivityKind::PasswordChanged, moment(2)),
    };
    change_twice(fixture, &change).await;
    let kept = Sessions::by_id(&fixture.accounts(), login.session.id()).await.unwrap().unwrap();
    assert!(kept.is_good(&changed, moment(3)), "{kept:?}");
}

pub async fn a_change_is_stale_when_the_kept_session_has_ended(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let ended = activity(&identities, ActivityKind::LoggedOut, moment(2));
    let tried = fixture.accounts().end(&login.session, &ended, soon()).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    let changed = new_password(&login.account);
    let change = AccountChange {
        account: &changed,
        attempt: identities.transaction_id(),
        keep: Some(login.session.id()),
        activity: &activity(&identities, ActivityKind::PasswordChanged, moment(3)),
    };
    let tried = fixture.accounts().change(&change, soon()).await;
    assert!(is_stale(&tried, change.attempt), "{tried:?}");
    let WriteTry::Cancelled(met) = tried else { panic!("{tried:?}") };
    assert_eq!((met.account, met.another_failed), (ItemReason::None, true));
    assert_eq!(by_id(fixture, &user.account).await, Some(login.account));
}

pub async fn a_deleted_account_is_gone_with_its_address(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let deletion = deleted(&identities, &user.account, moment(1));
    for is_first in [true, false] {
        let tried = fixture.accounts().delete(&deletion.deletion(), soon()).await;
        assert_eq!(matches!(tried, WriteTry::Done), is_first, "{tried:?}");
        assert_eq!(outcome(&tried, judge_deletion), Some(Settled::Stored), "{tried:?}");
    }
    assert_eq!(by_id(fixture, &user.account).await, None);
    let found = fixture.accounts().by_email(user.account.email()).await.unwrap();
    assert_eq!(found, None);
    let another = register(fixture, &identities, "demo@example.com").await;
    // A late try of the first deletion does not change the new account.
    let late = fixture.accounts().delete(&deletion.deletion(), soon()).await;
    let WriteTry::Cancelled(met) = &late else { panic!("{late:?}") };
    assert_eq!(met.account.found(), Some(&AccountAtKey::Deleted));
    assert_eq!(judge_deletion(met), Some(Settled::Stored));
    let found = fixture.accounts().by_email(another.account.email()).await.unwrap();
    assert_eq!(found, Some(another.account), "{late:?}");
}

pub async fn an_account_that_was_changed_is_not_deleted(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let changed = new_password(&user.account);
    let attempt = identities.transaction_id();
    let stored = change(fixture, &identities, &changed, attempt).await;
    assert!(matches!(stored, WriteTry::Done), "{stored:?}");
    let deletion = deleted(&identities, &user.account, moment(1));
    let tried = fixture.accounts().delete(&deletion.deletion(), soon()).await;
    let WriteTry::Cancelled(met) = &tried else { panic!("{tried:?}") };
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(judge_deletion(met), Some(Settled::Refused(Stale)));
    let found = fixture.accounts().by_email(user.account.email()).await.unwrap();
    assert_eq!(found, Some(changed));
}

pub async fn erased_traces_are_gone(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let (accounts, account) = (fixture.accounts(), &user.account);
    let owner = ActivityOwner::User(account.user_id());
    for _ in 0..60 {
        let failed = activity(&identities, ActivityKind::LoginFailed, moment(1));
        accounts.record(owner, &failed).await.unwrap();
    }
    let (address, source) = (AddressDigest::of(account.email()), source("192.0.2.7"));
    accounts.remember(address, source, moment(1_000)).await.unwrap();
    for _ in 0..2 {
        accounts.erase_traces(account).await.unwrap();
        let page = accounts.page(account.user_id(), None, 50, moment(2)).await.unwrap();
        assert_eq!(page.items, []);
        assert!(!accounts.knows(address, source, moment(2)).await.unwrap());
    }
    assert_eq!(by_id(fixture, account).await.as_ref(), Some(account));
}

pub async fn a_user_write_after_its_deadline_stores_nothing(fixture: &impl TableFixture) {
    let user = registered(&SequentialIdentities::default(), "demo@example.com", moment(0));
    let late = Deadline::after(Duration::ZERO);
    let tried = fixture.accounts().register(&user.registration(), late).await;
    assert!(matches!(tried, WriteTry::NotBegun(_)), "{tried:?}");
    assert_eq!(by_id(fixture, &user.account).await, None);
}
