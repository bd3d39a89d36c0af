//! `Sessions`.

use application::outcome::WriteTry;
use application::ports::{
    AccountChange, AccountRepository, Accounts, ActivityReader, CancelledExchange, Exchange,
    FoundToken, IdentitySource, NewExchange, Sessions, TokenRecord,
};
use application::users::judging::{Judged, Settled, Stale, judge_end, judge_exchange};
use domain::account::{Account, ActivityKind, RateUse, Session, SessionRecord};
use domain::identity::SessionId;
use domain::timestamp::Timestamp;
use futures::future::join_all;
use uuid::Uuid;

use super::fixture::{outcome, settled};
use super::users::{log_in, register};
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{activity, refresh_token};

const STORED: Judged<Stale> = Some(Settled::Stored);
const STALE: Judged<Stale> = Some(Settled::Refused(Stale));

async fn session(fixture: &impl TableFixture, identities: &SequentialIdentities) -> Session {
    let user = register(fixture, identities, "demo@example.com").await;
    log_in(fixture, identities, &user.account, "first").await.session
}

/// Repeats the try until it is settled; the account has made `before` exchanges.
async fn try_to_exchange(
    before: u32,
    fixture: &impl TableFixture,
    identities: &impl IdentitySource,
    session: &Session,
    used: &str,
    next: &str,
) -> WriteTry<CancelledExchange> {
    let next = TokenRecord {
        hash: refresh_token(session, next).hash,
        expires_at: session.token_expires_at(moment(2)),
    };
    let new = NewExchange {
        session,
        used: refresh_token(session, used).hash,
        next: &next,
        salt: "salt",
        at: moment(2),
        uses_before: uses(before),
        uses: uses(before + 1),
        activity: &activity(identities, ActivityKind::Refreshed, moment(2)),
    };
    let sessions = fixture.accounts();
    let exchange = async || sessions.exchange(&new, soon()).await;
    settled(exchange, |met| judge_exchange(met, next.hash).is_none()).await
}

/// Exchanges a token of an account that has made `before` exchanges.
async fn exchange_after(
    before: u32,
    fixture: &impl TableFixture,
    identities: &impl IdentitySource,
    session: &Session,
    used: &str,
    next: &str,
) -> Judged<Stale> {
    let tried = try_to_exchange(before, fixture, identities, session, used, next).await;
    outcome(&tried, |met| judge_exchange(met, refresh_token(session, next).hash))
}

/// The account's first exchange.
async fn exchange(
    fixture: &impl TableFixture,
    identities: &impl IdentitySource,
    session: &Session,
    used: &str,
    next: &str,
) -> Judged<Stale> {
    exchange_after(0, fixture, identities, session, used, next).await
}

fn uses(exchanges: u32) -> RateUse {
    RateUse::forgotten_at(Timestamp::from_millis(1_000 * i64::from(exchanges)))
}

async fn stored_uses(fixture: &impl TableFixture, session: &Session) -> RateUse {
    let account = Accounts::by_id(&fixture.accounts(), session.user_id()).await;
    account.unwrap().unwrap().record().exchanges
}

async fn found(fixture: &impl TableFixture, session: &Session, secret: &str) -> Option<FoundToken> {
    fixture.accounts().by_token(refresh_token(session, secret)).await.unwrap()
}

fn is_newest(found: &Option<FoundToken>) -> bool {
    matches!(found, Some(FoundToken::Newest { .. }))
}

pub async fn a_token_is_found_with_its_session(fixture: &impl TableFixture) {
    let session = session(fixture, &SequentialIdentities::default()).await;
    let expires_at = session.token_expires_at(moment(1));
    let found = found(fixture, &session, "first").await;
    assert_eq!(found, Some(FoundToken::Newest { session, expires_at }));
}

pub async fn a_token_is_exchanged_once(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let session = session(fixture, &identities).await;
    let tried = exchange(fixture, &identities, &session, "first", "second").await;
    assert_eq!(tried, STORED);
    let latest = Exchange { salt: "salt".to_owned(), at: moment(2) };
    let exchanged = Some(FoundToken::Exchanged { session, exchange: latest });
    assert_eq!(found(fixture, &session, "first").await, exchanged);
    assert!(is_newest(&found(fixture, &session, "second").await));
    let again = exchange(fixture, &identities, &session, "first", "third").await;
    assert_eq!(again, STALE);
    assert_eq!(found(fixture, &session, "third").await, None);
    let next = exchange_after(1, fixture, &identities, &session, "second", "third").await;
    assert_eq!(next, STORED);
    let used = Some(FoundToken::Used { session });
    assert_eq!(found(fixture, &session, "first").await, used);
}

pub async fn every_exchange_of_an_account_is_counted(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let one = log_in(fixture, &identities, &user.account, "one").await;
    let other = log_in(fixture, &identities, &one.account, "other").await;
    let tried = exchange(fixture, &identities, &one.session, "one", "second").await;
    assert_eq!(tried, STORED);
    assert_eq!(stored_uses(fixture, &one.session).await, uses(1));
    // By another session, which did not see the first exchange.
    let tried = exchange(fixture, &identities, &other.session, "other", "second").await;
    assert_eq!(tried, STALE);
    assert!(is_newest(&found(fixture, &other.session, "other").await));
    let tried = exchange_after(1, fixture, &identities, &other.session, "other", "second").await;
    assert_eq!(tried, STORED);
    assert_eq!(stored_uses(fixture, &one.session).await, uses(2));
}

async fn end_all(
    fixture: &impl TableFixture,
    identities: &SequentialIdentities,
    account: &Account,
) {
    let change = AccountChange {
        account: &account.end_sessions(),
        attempt: identities.transaction_id(),
        keep: None,
        activity: &activity(identities, ActivityKind::LoggedOutEverywhere, moment(2)),
    };
    let tried = fixture.accounts().change(&change, soon()).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
}

pub async fn a_login_and_a_change_leave_the_use_of_exchanges(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let first = log_in(fixture, &identities, &user.account, "first").await;
    let tried = exchange(fixture, &identities, &first.session, "first", "second").await;
    assert_eq!(tried, STORED);
    // Both are based on an account that was read before the exchange.
    let login = log_in(fixture, &identities, &first.account, "another").await;
    assert_eq!(stored_uses(fixture, &first.session).await, uses(1));
    end_all(fixture, &identities, &login.account).await;
    assert_eq!(stored_uses(fixture, &first.session).await, uses(1));
}

pub async fn of_ten_exchanges_of_one_token_at_once_one_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let session = session(fixture, &identities).await;
    let (identities, session) = (&identities, &session);
    let tries = (0..10)
        .map(async |n| exchange(fixture, identities, session, "first", &format!("next {n}")).await);
    let outcomes = join_all(tries).await;
    let stored = outcomes.iter().filter(|outcome| **outcome == STORED).count();
    assert_eq!(stored, 1, "{outcomes:?}");
}

pub async fn a_second_try_of_an_exchange_meets_the_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let session = session(fixture, &identities).await;
    let tried = exchange(fixture, &identities, &session, "first", "second").await;
    assert_eq!(tried, STORED);
    let again = try_to_exchange(0, fixture, &identities, &session, "first", "second").await;
    let WriteTry::Cancelled(met) = &again else { panic!("{again:?}") };
    let next = refresh_token(&session, "second").hash;
    assert_eq!(met.session.found(), Some(&next));
    assert!(met.account.condition_failed(), "the exchange is counted: {met:?}");
    assert_eq!(judge_exchange(met, next), STORED);
}

pub async fn a_token_of_a_session_that_has_ended_is_not_exchanged(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let session = session(fixture, &identities).await;
    let ended = activity(&identities, ActivityKind::LoggedOut, moment(2));
    let tried = fixture.accounts().end(&session, &ended, soon()).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    let tried = exchange(fixture, &identities, &session, "first", "second").await;
    assert_eq!(tried, STALE);
    assert_eq!(found(fixture, &session, "second").await, None);
    let first = found(fixture, &session, "first").await;
    assert!(is_newest(&first) && first.as_ref().unwrap().session().has_ended(), "{first:?}");
}

pub async fn a_token_of_a_session_of_an_older_epoch_is_not_exchanged(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "first").await;
    end_all(fixture, &identities, &login.account).await;
    let tried = exchange(fixture, &identities, &login.session, "first", "second").await;
    assert_eq!(tried, STALE);
    assert_eq!(found(fixture, &login.session, "second").await, None);
    assert!(is_newest(&found(fixture, &login.session, "first").await));
}

pub async fn a_session_ends_once_and_with_one_activity(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let session = session(fixture, &identities).await;
    for is_first in [true, false] {
        let ended = activity(&identities, ActivityKind::LoggedOut, moment(2));
        let tried = fixture.accounts().end(&session, &ended, soon()).await;
        assert_eq!(matches!(tried, WriteTry::Done), is_first, "{tried:?}");
        let expected = if is_first { STORED } else { STALE };
        assert_eq!(outcome(&tried, judge_end), expected, "{tried:?}");
        let stored = Sessions::by_id(&fixture.accounts(), session.id()).await.unwrap();
        assert_eq!(stored, Some(session.end()));
    }
    let page = fixture.accounts().page(session.user_id(), None, 9, moment(3)).await.unwrap();
    let ends = page.items.iter().filter(|activity| activity.kind == ActivityKind::LoggedOut);
    assert_eq!(ends.count(), 1);
}

pub async fn a_token_that_was_never_issued_is_not_found(fixture: &impl TableFixture) {
    let session = session(fixture, &SequentialIdentities::default()).await;
    assert_eq!(found(fixture, &session, "made up").await, None);
    let made_up = Session::rehydrate(SessionRecord {
        id: SessionId::new(Uuid::from_u128(1)),
        ..*session.record()
    });
    assert_eq!(found(fixture, &made_up, "first").await, None);
    assert_eq!(Sessions::by_id(&fixture.accounts(), made_up.id()).await.unwrap(), None);
}
