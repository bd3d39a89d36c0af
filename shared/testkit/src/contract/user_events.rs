//! `PendingEventStore`, `PendingEventIndex` and `DeadLetterMoves` for the events of accounts and
//! sessions.

use std::time::Duration;

use application::events::StoredAggregate;
use application::lifetimes;
use application::outcome::WriteTry;
use application::ports::pending::{
    AggregateChange, IndexChange, PendingEventIndex, PendingEventStore,
};
use application::ports::{
    AccountAtKey, AccountChange, AccountRemoval, AccountRepository, Accounts, DeadLetter,
    DeadLetterMoves, IdentitySource, MessageId, Sessions, Topic,
};
use application::users::judging::{Settled, Stale, judge_login};
use contracts::event::EventType;
use domain::account::{Account, ActivityKind, Session, UserEvents, UserFact};
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::pending::{PendingEvent, PendingEvents, Publication, Rank};
use domain::timestamp::Timestamp;

use super::users::{log_in, register};
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{DeletedUser, activity, dead_letter, deleted, logged_in};

async fn find(fixture: &impl TableFixture, key: AggregateKey) -> UserEvents {
    let found = fixture.aggregates().find(key).await.unwrap();
    let Some(StoredAggregate::User(events)) = found else { panic!("{found:?}") };
    events
}

const fn key_of(account: &Account) -> AggregateKey {
    AggregateKey::Account { user_id: account.user_id() }
}

const fn key_of_session(session: &Session) -> AggregateKey {
    AggregateKey::Session { session_id: session.id() }
}

async fn replace(
    fixture: &impl TableFixture,
    before: &UserEvents,
    pending: PendingEvents,
) -> WriteTry<Option<StoredAggregate>> {
    let stored = StoredAggregate::User(before.clone());
    let index = IndexChange::at(&pending);
    fixture.aggregates().change(&stored.pending_change(pending, index), soon()).await
}

async fn end_all(fixture: &impl TableFixture, before: &UserEvents) {
    let ended = replace(fixture, before, PendingEvents::default()).await;
    assert!(matches!(ended, WriteTry::Done), "{ended:?}");
}

async fn delete(fixture: &impl TableFixture, deletion: &DeletedUser) {
    let tried = fixture.accounts().delete(&deletion.deletion(), soon()).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
}

async fn due(fixture: &impl TableFixture, topic: Topic, now: Timestamp) -> Vec<AggregateKey> {
    let due = fixture.aggregates().due(topic, now, 1_000).await.unwrap();
    due.aggregates.into_iter().map(|due| due.key).collect()
}

pub async fn the_events_of_an_account_and_a_session_are_pending_in_them(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let (account, session) = (key_of(&user.account), key_of_session(&login.session));
    let found = [find(fixture, account).await, find(fixture, session).await];
    assert_eq!(found[0].raised, std::slice::from_ref(&user.event));
    assert_eq!(found[1].raised, std::slice::from_ref(&login.event));
    let one = |id: EventId, entry: &PendingEvent| PendingEvents::one(id, entry.clone());
    assert_eq!(found[0].pending, one(user.event.stamp.event_id, &user.pending));
    assert_eq!(found[1].pending, one(login.event.stamp.event_id, &login.pending));
    assert_eq!(found[0].expires_at, None, "an account is kept");
    assert_eq!(found[1].expires_at, Some(login.session.ends_at()));
    let message = StoredAggregate::User(found[1].clone()).message(login.event.stamp.event_id);
    let message = message.unwrap();
    assert_eq!((message.topic, message.aggregate), (Topic::Users, Some(session)));
    assert_eq!(message.event_type, EventType::UserLoggedIn);
    assert_eq!(message.aggregate_version, 2);
}

pub async fn users_are_due_immediately_and_only_among_users(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let (account, session) = (key_of(&user.account), key_of_session(&login.session));
    assert_eq!(due(fixture, Topic::Users, moment(1)).await, [account, session]);
    assert_eq!(due(fixture, Topic::Orders, moment(1_000)).await, []);
    let found = find(fixture, session).await;
    let entry = found.pending.get(login.event.stamp.event_id).unwrap().clone();
    let claimed = PendingEvent { due: moment(60), publication: Publication::Sent, ..entry };
    let claimed = PendingEvents::one(login.event.stamp.event_id, claimed);
    let (expected, rank) = (login.pending.due, claimed.rank());
    let index = IndexChange::Claim { expected, due: moment(60), rank };
    let stored = StoredAggregate::User(found);
    let claim = stored.pending_change(claimed, index);
    for is_first in [true, false] {
        match fixture.aggregates().change(&claim, soon()).await {
            WriteTry::Done => assert!(is_first),
            WriteTry::Cancelled(Some(_)) => assert!(!is_first),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(due(fixture, Topic::Users, moment(59)).await, [account]);
    end_all(fixture, &find(fixture, session).await).await;
    assert_eq!(due(fixture, Topic::Users, moment(1_000)).await, [account]);
}

/// Most users log in immediately after they register.
pub async fn a_change_of_an_account_keeps_its_pending_events(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let key = key_of(&user.account);
    let before = find(fixture, key).await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let change = AccountChange {
        account: &login.account.end_sessions(),
        attempt: identities.transaction_id(),
        keep: None,
        activity: &activity(&identities, ActivityKind::LoggedOutEverywhere, moment(2)),
    };
    let changed = fixture.accounts().change(&change, soon()).await;
    assert!(matches!(changed, WriteTry::Done), "{changed:?}");
    assert_eq!(find(fixture, key).await, before);
    assert_eq!(due(fixture, Topic::Users, moment(0)).await, [key]);
}

pub async fn the_end_of_an_event_does_not_change_the_account(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let key = key_of(&user.account);
    let before = find(fixture, key).await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    end_all(fixture, &before).await;
    let after = find(fixture, key).await;
    assert_eq!((after.revision, after.pending.len()), (2, 0));
    assert_eq!(after.raised, before.raised, "the event can be published again");
    let account = Accounts::by_id(&fixture.accounts(), user.account.user_id()).await.unwrap();
    assert_eq!(account, Some(login.account));
    // A second end, based on the state before the first one, finds the change.
    match replace(fixture, &before, PendingEvents::default()).await {
        WriteTry::Cancelled(found) => assert_eq!(found, Some(StoredAggregate::User(after))),
        other => panic!("{other:?}"),
    }
}

/// So the table never deletes an event that was not published.
pub async fn a_session_expires_once_its_event_is_handled_and_not_before(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let key = key_of_session(&login.session);
    assert_eq!(fixture.expiry_of(key).await, None);
    let ended = activity(&identities, ActivityKind::LoggedOut, moment(2));
    let tried = fixture.accounts().end(&login.session, &ended, soon()).await;
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    assert_eq!(fixture.expiry_of(key).await, None, "a logout changes nothing about it");
    let before = find(fixture, key).await;
    let entry = before.pending.get(login.event.stamp.event_id).unwrap().clone();
    let found = PendingEvent { publication: Publication::Found, due: moment(99), ..entry.clone() };
    let pending = PendingEvents::one(login.event.stamp.event_id, found);
    let moved = replace(fixture, &before, pending).await;
    assert!(matches!(moved, WriteTry::Done), "{moved:?}");
    assert_eq!(fixture.expiry_of(key).await, None);
    end_all(fixture, &find(fixture, key).await).await;
    assert_eq!(fixture.expiry_of(key).await, Some(login.session.ends_at()));
    // The event is redriven from the dead letters.
    let pending = PendingEvents::one(login.event.stamp.event_id, entry);
    let returned = replace(fixture, &find(fixture, key).await, pending).await;
    assert!(matches!(returned, WriteTry::Done), "{returned:?}");
    assert_eq!(fixture.expiry_of(key).await, None);
    // The rest of the session is unchanged.
    let session = Sessions::by_id(&fixture.accounts(), login.session.id()).await.unwrap();
    assert_eq!(session, Some(login.session.end()));
}

pub async fn a_deleted_account_keeps_its_events_and_no_data_of_its_user(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let key = key_of(&user.account);
    let before = find(fixture, key).await;
    let deletion = deleted(&identities, &login.account, moment(9));
    delete(fixture, &deletion).await;
    let after = find(fixture, key).await;
    assert_eq!(after.raised, [user.event.clone(), deletion.event.clone()]);
    assert_eq!(after.raised[1].fact, UserFact::Deleted);
    assert_eq!(after.raised[1].aggregate_version, 3);
    assert_eq!(after.pending.get(user.event.stamp.event_id), Some(&user.pending));
    assert_eq!(after.pending.get(deletion.event.stamp.event_id), Some(&deletion.pending));
    assert_eq!(after.pending.len(), 2);
    // A change that is based on the state before the deletion ends no event.
    let ended = replace(fixture, &before, PendingEvents::default()).await;
    assert!(matches!(ended, WriteTry::Cancelled(Some(_))), "{ended:?}");
    let late = logged_in(&identities, &login.account, "late", moment(10));
    let tried = fixture.accounts().log_in(&late.login(), soon()).await;
    let WriteTry::Cancelled(met) = &tried else { panic!("{tried:?}") };
    assert_eq!(met.account.found(), Some(&AccountAtKey::Deleted));
    assert_eq!(
        judge_login(met, late.pending.transaction_id),
        Some(Settled::Refused(Stale)),
        "{tried:?}"
    );
    let session = find(fixture, key_of_session(&login.session)).await;
    assert!(session.pending.holds(login.event.stamp.event_id), "its sessions keep their events");
    end_all(fixture, &after).await;
    assert_eq!(fixture.expiry_of(key).await, None, "the event can be published again");
    assert_eq!(find(fixture, key).await.raised, after.raised);
}

pub async fn a_deletion_is_due_immediately_whatever_else_is_pending(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let key = key_of(&user.account);
    // The event is on its topic; its consumer has an hour.
    let waiting = PendingEvent {
        publication: Publication::Found,
        due: moment(3_600),
        ..user.pending.clone()
    };
    let pending = PendingEvents::one(user.event.stamp.event_id, waiting);
    assert_eq!(pending.rank(), Rank::Second);
    let moved = replace(fixture, &find(fixture, key).await, pending).await;
    assert!(matches!(moved, WriteTry::Done), "{moved:?}");
    assert_eq!(due(fixture, Topic::Users, moment(1_000)).await, []);
    delete(fixture, &deleted(&identities, &user.account, moment(9))).await;
    assert_eq!(due(fixture, Topic::Users, moment(9)).await, [key]);
}

pub async fn a_letter_of_a_users_event_is_recorded_with_its_end(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let (key, event_id) = (key_of_session(&login.session), login.event.stamp.event_id);
    let stored = StoredAggregate::User(find(fixture, key).await);
    let letter = DeadLetter {
        aggregate: Some(key),
        expires_at: None,
        ..dead_letter(Some(event_id), moment(9))
    };
    let ends: AggregateChange<'_> =
        stored.pending_change(PendingEvents::default(), IndexChange::Leave);
    let recorded = fixture.letter_moves().record(&letter, Some(&ends), soon()).await;
    assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
    // The letter refers to it.
    assert_eq!(fixture.expiry_of(key).await, None);
    let stored = StoredAggregate::User(find(fixture, key).await);
    // Once the letter is discarded, nothing needs the aggregate any more.
    let other = DeadLetter { message_id: MessageId::of("another"), ..letter.clone() };
    let unchanged = stored.pending_change(PendingEvents::default(), IndexChange::Keep);
    let tried = fixture.letter_moves().remove(&other, &unchanged, soon()).await;
    assert!(matches!(tried, WriteTry::Cancelled(_)), "{tried:?}");
    assert_eq!(fixture.expiry_of(key).await, None);
    let discarded = fixture.letter_moves().remove(&letter, &unchanged, soon()).await;
    assert!(matches!(discarded, WriteTry::Done), "{discarded:?}");
    assert_eq!(fixture.expiry_of(key).await, Some(login.session.ends_at()));
    let stored = StoredAggregate::User(find(fixture, key).await);
    let recorded = fixture
        .letter_moves()
        .record(
            &letter,
            Some(&stored.pending_change(PendingEvents::default(), IndexChange::Keep)),
            soon(),
        )
        .await;
    assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
    let stored = StoredAggregate::User(find(fixture, key).await);
    let due = moment(9).plus(Duration::from_secs(1)).plus(lifetimes::SWEEP_AFTER);
    let entry = PendingEvent::sent(identities.transaction_id(), moment(9), due);
    let pending = PendingEvents::one(event_id, entry);
    let index = IndexChange::at(&pending);
    let returns = stored.pending_change(pending.clone(), index);
    let redriven = fixture.letter_moves().remove(&letter, &returns, soon()).await;
    assert!(matches!(redriven, WriteTry::Done), "{redriven:?}");
    assert_eq!(find(fixture, key).await.pending, pending);
    assert_eq!(fixture.expiry_of(key).await, None);
    let stored = StoredAggregate::User(find(fixture, key).await);
    let ends = stored.pending_change(PendingEvents::default(), IndexChange::Leave);
    assert!(matches!(fixture.aggregates().change(&ends, soon()).await, WriteTry::Done));
    assert_eq!(fixture.expiry_of(key).await, Some(login.session.ends_at()));
}
