//! `MailRequests`, `MailRepository` and `MailTokens`.

use application::events::StoredAggregate;
use application::outcome::{ItemReason, WriteTry};
use application::ports::mail::{
    MailRepository, MailRequests, MailTokens, NewMail, Redemption, StoredMail,
};
use application::ports::pending::{Found, IndexChange, PendingEventIndex, PendingEventStore};
use application::ports::{
    AccountAtKey, AccountRepository, Accounts, AddressDigest, CancelledAddition, CancelledChange,
    IdentitySource, Registration, TokenHash, TokenRecord, Topic,
};
use application::users::judging::{
    Settled, Stale, judge_change, judge_registration, judge_request,
};
use domain::account::{Account, ActivityKind, MailPurpose, MailRequest};
use domain::aggregate::AggregateKey;
use domain::identity::TransactionId;
use domain::pending::{PendingEvent, PendingEvents};
use futures::future::join_all;

use super::fixture::{outcome, settled};
use super::users::register;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{activity, email, registered, stamp};

fn new_mail(identities: &SequentialIdentities, account: &Account, purpose: MailPurpose) -> NewMail {
    let (at, id) = (moment(2), identities.mail_id());
    let (request, event) = MailRequest::ask(id, account, purpose, at, stamp(identities)).unwrap();
    NewMail { request, event, pending: PendingEvent::unsent(identities.transaction_id(), at) }
}

const fn key_of(mail: &NewMail) -> AggregateKey {
    AggregateKey::Mail { mail_id: mail.request.id }
}

async fn ask(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    mail: &NewMail,
    account: Option<&Account>,
) -> WriteTry<CancelledAddition> {
    let asked = activity(identities, ActivityKind::EmailConfirmationRequested, moment(2));
    fixture.accounts().ask(mail, account, &asked, soon()).await
}

async fn asked(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    account: &Account,
    purpose: MailPurpose,
) -> NewMail {
    let mail = new_mail(identities, account, purpose);
    let stored = ask(fixture, identities, &mail, None).await;
    assert!(matches!(stored, WriteTry::Done), "{stored:?}");
    mail
}

async fn find(fixture: &impl TableFixture, mail: &NewMail) -> Option<StoredMail> {
    MailRequests::find(&fixture.accounts(), mail.request.id).await.unwrap()
}

async fn stored(fixture: &impl TableFixture, mail: &NewMail) -> StoredAggregate {
    PendingEventStore::find(&fixture.aggregates(), key_of(mail)).await.unwrap().unwrap()
}

fn token(text: &str) -> TokenRecord {
    TokenRecord { hash: TokenHash::of(text), expires_at: moment(1_800) }
}

async fn issue(
    fixture: &impl TableFixture,
    before: &StoredAggregate,
    token: &TokenRecord,
) -> WriteTry<Found> {
    let change = before.pending_change(before.pending().clone(), IndexChange::Keep);
    fixture.aggregates().issue(&change, token, soon()).await
}

async fn issued(fixture: &impl TableFixture, mail: &NewMail, text: &str) {
    let tried = issue(fixture, &stored(fixture, mail).await, &token(text)).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
}

async fn redeem(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    mail: &NewMail,
    text: &str,
    before: &Account,
    attempt: TransactionId,
) -> WriteTry<CancelledChange> {
    let after = before.confirm_email(&mail.request);
    let changes = mail.request.purpose == MailPurpose::ChangeAddress;
    let redemption = Redemption {
        mail: mail.request.id,
        hash: TokenHash::of(text),
        account: &after,
        former_address: changes.then(|| before.email().key()),
        attempt,
        activity: &activity(identities, ActivityKind::EmailConfirmed, moment(3)),
    };
    fixture.accounts().redeem(&redemption, soon()).await
}

async fn by_id(fixture: &impl TableFixture, account: &Account) -> Account {
    Accounts::by_id(&fixture.accounts(), account.user_id()).await.unwrap().unwrap()
}

fn is_stale(tried: &WriteTry<CancelledChange>, attempt: TransactionId) -> bool {
    outcome(tried, |met| judge_change(met, attempt)) == Some(Settled::Refused(Stale))
}

/// An account that waits for the confirmation of another address, and the request for its mail.
async fn waiting(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    address: &str,
) -> (Account, NewMail) {
    let user = register(fixture, identities, "demo@example.com").await;
    let account = user.account.request_email(email(address));
    let mail = new_mail(identities, &account, MailPurpose::ChangeAddress);
    let tried = ask(fixture, identities, &mail, Some(&account)).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    (account, mail)
}

pub async fn a_request_is_found_as_it_was_stored_with_its_event_pending(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    for purpose in [MailPurpose::ConfirmAddress, MailPurpose::ResetPassword] {
        let mail = asked(fixture, &identities, &user.account, purpose).await;
        let request = mail.request.clone();
        let found = find(fixture, &mail).await;
        assert_eq!(found, Some(StoredMail { request, token: None, used: false }));
        let events = stored(fixture, &mail).await;
        let expected = PendingEvents::one(mail.event.stamp.event_id, mail.pending.clone());
        assert_eq!(events.pending(), &expected);
        let StoredAggregate::User(events) = events else { panic!("no user's events") };
        assert_eq!(events.raised, std::slice::from_ref(&mail.event));
        let due = fixture.aggregates().due(Topic::Users, moment(2), 100).await.unwrap();
        assert!(due.aggregates.iter().any(|due| due.key == key_of(&mail)));
    }
    assert_eq!(by_id(fixture, &user.account).await, user.account);
}

pub async fn a_second_try_of_a_request_meets_the_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let (account, mail) = waiting(fixture, &identities, "new@example.com").await;
    issued(fixture, &mail, "one").await;
    let again = ask(fixture, &identities, &mail, Some(&account)).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    assert!(met.added.condition_failed(), "{met:?}");
    let attempt = mail.pending.transaction_id;
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(judge_request(met), Some(Settled::Stored));
    assert_eq!(find(fixture, &mail).await.unwrap().token, Some(token("one")));
}

pub async fn a_request_is_stored_with_the_change_of_its_account_or_not_at_all(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let (account, mail) = waiting(fixture, &identities, "New@Example.com").await;
    assert_eq!(by_id(fixture, &account).await, account);
    assert_eq!(find(fixture, &mail).await.unwrap().request, mail.request);
    // Based on the account as it was before.
    let late = new_mail(&identities, &account, MailPurpose::ChangeAddress);
    let tried = ask(fixture, &identities, &late, Some(&account)).await;
    assert_eq!(outcome(&tried, judge_request), Some(Settled::Refused(Stale)), "{tried:?}");
    let WriteTry::Cancelled(met) = &tried else { panic!("{tried:?}") };
    assert!(!met.added.condition_failed(), "{met:?}");
    let attempt = mail.pending.transaction_id;
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert_eq!(find(fixture, &late).await, None);
}

pub async fn a_registration_stores_the_request_for_its_mail(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = registered(&identities, "demo@example.com", moment(0));
    let mail = new_mail(&identities, &user.account, MailPurpose::ConfirmAddress);
    let registration = Registration { mail: Some(&mail), ..user.registration() };
    let (user_id, attempt) = (user.account.user_id(), user.pending.transaction_id);
    for is_first in [true, false] {
        let tried = fixture.accounts().register(&registration, soon()).await;
        assert_eq!(matches!(tried, WriteTry::Done), is_first, "{tried:?}");
        let judged = outcome(&tried, |met| judge_registration(met, user_id, attempt));
        assert_eq!(judged, Some(Settled::Stored), "{tried:?}");
    }
    assert_eq!(find(fixture, &mail).await.unwrap().request, mail.request);
    assert!(stored(fixture, &mail).await.pending().holds(mail.event.stamp.event_id));
}

pub async fn a_new_token_replaces_the_one_before_and_changes_no_event(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let mail = asked(fixture, &identities, &user.account, MailPurpose::ConfirmAddress).await;
    let before = stored(fixture, &mail).await;
    for text in ["one", "two"] {
        issued(fixture, &mail, text).await;
        assert_eq!(find(fixture, &mail).await.unwrap().token, Some(token(text)));
    }
    assert_eq!(stored(fixture, &mail).await.pending(), before.pending());
}

pub async fn of_ten_tokens_for_one_revision_one_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let mail = asked(fixture, &identities, &user.account, MailPurpose::ConfirmAddress).await;
    let before = &stored(fixture, &mail).await;
    let tries = (0..10).map(async |number| {
        let token = token(&number.to_string());
        settled(async || issue(fixture, before, &token).await, Option::is_none).await
    });
    let tried = join_all(tries).await;
    let done = tried.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!(done, 1, "{tried:?}");
}

pub async fn of_ten_uses_of_one_token_at_once_one_is_stored(fixture: &impl TableFixture) {
    let identities = &SequentialIdentities::default();
    let user = register(fixture, identities, "demo@example.com").await;
    let mail = &asked(fixture, identities, &user.account, MailPurpose::ConfirmAddress).await;
    issued(fixture, mail, "one").await;
    let account = &user.account;
    let tries = (0..10).map(async |_| {
        let attempt = identities.transaction_id();
        let judge = |met: &_| judge_change(met, attempt);
        let use_it = async || redeem(fixture, identities, mail, "one", account, attempt).await;
        outcome(&settled(use_it, |met| judge(met).is_none()).await, judge)
    });
    let outcomes = join_all(tries).await;
    let stored = outcomes.iter().filter(|outcome| **outcome == Some(Settled::Stored)).count();
    let stale =
        outcomes.iter().filter(|outcome| **outcome == Some(Settled::Refused(Stale))).count();
    assert_eq!((stored, stale), (1, 9), "{outcomes:?}");
    let after = by_id(fixture, account).await;
    assert_eq!((after.version(), after.record().email_confirmed), (account.version() + 1, true));
    assert!(find(fixture, mail).await.unwrap().used);
}

pub async fn a_second_try_of_a_use_meets_the_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let mail = asked(fixture, &identities, &user.account, MailPurpose::ConfirmAddress).await;
    issued(fixture, &mail, "one").await;
    let redemption = Redemption {
        mail: mail.request.id,
        hash: TokenHash::of("one"),
        account: &user.account.confirm_email(&mail.request),
        former_address: None,
        attempt: identities.transaction_id(),
        activity: &activity(&identities, ActivityKind::EmailConfirmed, moment(3)),
    };
    let first = fixture.accounts().redeem(&redemption, soon()).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    let again = fixture.accounts().redeem(&redemption, soon()).await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    let attempt = redemption.attempt;
    assert_eq!(met.account.found(), Some(&AccountAtKey::Live { attempt }));
    assert!(met.another_failed, "the token is used: {met:?}");
    assert_eq!(judge_change(met, attempt), Some(Settled::Stored));
}

pub async fn a_token_that_is_not_the_newest_is_not_used(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let mail = asked(fixture, &identities, &user.account, MailPurpose::ConfirmAddress).await;
    let attempt = identities.transaction_id();
    let tried = redeem(fixture, &identities, &mail, "one", &user.account, attempt).await;
    assert!(is_stale(&tried, attempt), "no token was made yet: {tried:?}");
    issued(fixture, &mail, "one").await;
    issued(fixture, &mail, "two").await;
    let tried = redeem(fixture, &identities, &mail, "one", &user.account, attempt).await;
    assert!(is_stale(&tried, attempt), "{tried:?}");
    let WriteTry::Cancelled(met) = &tried else { panic!("{tried:?}") };
    assert_eq!((&met.account, met.another_failed), (&ItemReason::None, true));
    assert_eq!(by_id(fixture, &user.account).await, user.account);
    assert!(!find(fixture, &mail).await.unwrap().used);
}

pub async fn a_use_is_stale_when_the_account_was_changed_meanwhile(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let mail = asked(fixture, &identities, &user.account, MailPurpose::ConfirmAddress).await;
    issued(fixture, &mail, "one").await;
    let after = user.account.request_email(email("new@example.com"));
    let another = new_mail(&identities, &after, MailPurpose::ChangeAddress);
    let tried = ask(fixture, &identities, &another, Some(&after)).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    let attempt = identities.transaction_id();
    let tried = redeem(fixture, &identities, &mail, "one", &user.account, attempt).await;
    assert!(is_stale(&tried, attempt), "{tried:?}");
    assert!(!find(fixture, &mail).await.unwrap().used);
}

pub async fn a_new_address_belongs_to_the_account_and_the_former_one_is_free(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let (account, mail) = waiting(fixture, &identities, "New@Example.com").await;
    issued(fixture, &mail, "one").await;
    let accounts = fixture.accounts();
    assert_eq!(accounts.by_email(&email("new@example.com")).await.unwrap(), None);
    let attempt = identities.transaction_id();
    let tried = redeem(fixture, &identities, &mail, "one", &account, attempt).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    let found = accounts.by_email(&email("new@example.com")).await.unwrap();
    assert_eq!(found, Some(account.confirm_email(&mail.request)));
    assert_eq!(found.unwrap().email().as_typed(), "New@Example.com");
    assert_eq!(accounts.by_email(&email("demo@example.com")).await.unwrap(), None);
    register(fixture, &identities, "demo@example.com").await;
}

pub async fn an_address_that_was_taken_meanwhile_is_not_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let (account, mail) = waiting(fixture, &identities, "new@example.com").await;
    issued(fixture, &mail, "one").await;
    let other = register(fixture, &identities, "NEW@example.com").await;
    let attempt = identities.transaction_id();
    let tried = redeem(fixture, &identities, &mail, "one", &account, attempt).await;
    assert!(is_stale(&tried, attempt), "{tried:?}");
    assert_eq!(by_id(fixture, &account).await, account);
    let found = fixture.accounts().by_email(&email("new@example.com")).await.unwrap();
    assert_eq!(found, Some(other.account));
}

pub async fn a_request_expires_once_its_event_is_handled_and_not_before(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let mail = asked(fixture, &identities, &user.account, MailPurpose::ConfirmAddress).await;
    issued(fixture, &mail, "one").await;
    assert_eq!(fixture.expiry_of(key_of(&mail)).await, None);
    let before = stored(fixture, &mail).await;
    let ends = before.pending_change(PendingEvents::default(), IndexChange::Leave);
    let tried = fixture.aggregates().change(&ends, soon()).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    assert_eq!(fixture.expiry_of(key_of(&mail)).await, Some(mail.request.expires_at()));
    assert_eq!(find(fixture, &mail).await.unwrap().token, Some(token("one")));
}

pub async fn a_request_of_nobody_is_no_request(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let (mail, address) = (identities.mail_id(), AddressDigest::of(&email("nobody@example.com")));
    let asked = activity(&identities, ActivityKind::PasswordResetRequested, moment(2));
    for is_first in [true, false] {
        let tried = fixture.accounts().ask_for_nobody(mail, address, &asked, soon()).await;
        assert_eq!(matches!(tried, WriteTry::Done), is_first, "{tried:?}");
        assert_eq!(outcome(&tried, judge_request), Some(Settled::Stored), "{tried:?}");
    }
    assert_eq!(MailRequests::find(&fixture.accounts(), mail).await.unwrap(), None);
    let due = fixture.aggregates().due(Topic::Users, moment(1_000), 100).await.unwrap();
    assert_eq!(due.aggregates, []);
}
