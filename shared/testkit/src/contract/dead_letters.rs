//! `DeadLetters`, `DeadLetterReader` and `DeadLetterRemoval`.

use std::time::Duration;

use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::{Settled, WriteTry};
use application::ports::{
    ClaimOutcome, DeadLetter, DeadLetterReader, DeadLetterRemoval, DeadLetters, IdentitySource,
    Inbox, LetterGone, OBSERVER, Observations, Outbox, OutboxReader, RecordedEvent, Redrive,
    RedriveCancelled, TransactionLedger, TransactionState, UnobservedEvents,
};
use futures::future::join_all;

use super::effects::{assert_handled, assert_unhandled};
use super::orders::place;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TakenOrder, dead_letter, taken, user};

async fn placed(fixture: &impl TableFixture, identities: &SequentialIdentities) -> TakenOrder {
    let order = taken(identities, user(1), &[(1, 1)], moment(0));
    place(fixture, &order).await;
    order
}

async fn bury(fixture: &impl TableFixture, letter: &DeadLetter) {
    let buried = fixture.dead_letters().bury(letter, soon()).await;
    assert!(matches!(buried, Settled::Done), "{buried:?}");
    assert!(found(fixture, letter).await.is_some());
}

/// What is kept under a letter's id.
async fn found(fixture: &impl TableFixture, letter: &DeadLetter) -> Option<DeadLetter> {
    fixture.letters().find(&letter.id()).await.unwrap()
}

/// A letter's event as it goes back into the outbox.
fn reopened(order: &TakenOrder, identities: &SequentialIdentities) -> RecordedEvent {
    RecordedEvent {
        transaction_id: identities.transaction_id(),
        recorded_at: moment(600),
        unpublished: true,
        sweep_due: moment(600),
        ..order.event.clone()
    }
}

async fn redrive(
    fixture: &impl TableFixture,
    letter: &DeadLetter,
    event: &RecordedEvent,
) -> WriteTry<RedriveCancelled> {
    fixture.removal().redrive(&Redrive { letter, event }, soon()).await
}

async fn redriven(fixture: &impl TableFixture, letter: &DeadLetter, event: &RecordedEvent) {
    let outcome = redrive(fixture, letter, event).await;
    assert!(matches!(outcome, WriteTry::Done), "{outcome:?}");
}

/// That a redrive found the letter gone and left nothing behind.
async fn assert_gone(
    fixture: &impl TableFixture,
    outcome: &WriteTry<RedriveCancelled>,
    event: &RecordedEvent,
) {
    let WriteTry::Cancelled(cancelled) = outcome else { panic!("{outcome:?}") };
    assert!(cancelled.letter_gone && !cancelled.done_before, "{cancelled:?}");
    assert_eq!(fixture.ledger().state(event.transaction_id).await.unwrap(), None);
}

/// As its name says.
pub async fn a_letter_that_is_there_already_is_done(fixture: &impl TableFixture) {
    let letter = placed(fixture, &SequentialIdentities::default()).await.dead_letter();
    bury(fixture, &letter).await;
    let later = DeadLetter { attempts: 4, ..letter.clone() };
    bury(fixture, &later).await;
    assert_eq!(found(fixture, &letter).await, Some(letter));
}

/// As its name says, and lets its copy expire with the letter.
pub async fn a_buried_event_is_taken_out_of_what_the_sweep_looks_at(fixture: &impl TableFixture) {
    let order = placed(fixture, &SequentialIdentities::default()).await;
    let event_id = order.event.message.event_id;
    bury(fixture, &order.dead_letter()).await;
    let claim = fixture.outbox().claim(event_id, moment(60), moment(120)).await;
    assert!(matches!(claim, ClaimOutcome::Lost), "{claim:?}");
    assert_eq!(fixture.unobserved().find(event_id).await.unwrap(), None);
    let copy = fixture.outbox_reader().find(event_id).await.unwrap().unwrap();
    assert_eq!((copy.pending, copy.message), (None, order.event.message.clone()));
    let until = moment(0).plus(lifetimes::DEAD_LETTER);
    assert_eq!(fixture.expiry_of_copy(event_id).await, Some(until));
}

/// As its name says.
pub async fn an_event_that_the_outbox_does_not_hold_is_buried_all_the_same(
    fixture: &impl TableFixture,
) {
    let foreign = SequentialIdentities::default().event_id();
    let letter = dead_letter(Some(foreign), moment(0));
    bury(fixture, &letter).await;
    bury(fixture, &letter).await;
}

/// As its name says, whatever its bytes are.
pub async fn a_message_without_an_event_is_buried_by_its_own_id(fixture: &impl TableFixture) {
    let mut letter = dead_letter(None, moment(0));
    letter.body = vec![0xff, 0, 0xfe];
    letter.body_bytes = 3;
    letter.handler = None;
    bury(fixture, &letter).await;
    bury(fixture, &letter).await;
    assert_eq!(letter.id().as_str(), letter.message_id);
    assert_eq!(found(fixture, &letter).await, Some(letter));
}

/// As its name says.
pub async fn a_letter_is_found_as_it_was_buried(fixture: &impl TableFixture) {
    let letter = placed(fixture, &SequentialIdentities::default()).await.dead_letter();
    assert_eq!(found(fixture, &letter).await, None);
    bury(fixture, &letter).await;
    assert!(letter.traceparent.is_some() && letter.handler.is_some());
    assert_eq!(found(fixture, &letter).await, Some(letter));
}

/// As its name says, and how long it was.
pub async fn of_a_long_body_at_least_the_beginning_is_kept(fixture: &impl TableFixture) {
    const WHOLE: usize = 4 * 1024 * 1024;
    let mut letter = dead_letter(None, moment(0));
    letter.body = b"0123456789".iter().copied().cycle().take(WHOLE).collect();
    letter.body_bytes = WHOLE;
    bury(fixture, &letter).await;
    let kept = found(fixture, &letter).await.unwrap();
    assert_eq!(kept.body_bytes, WHOLE);
    assert!(kept.body.len() >= 100 * 1024, "{} bytes are kept", kept.body.len());
    assert!(letter.body.starts_with(&kept.body));
    assert_eq!(kept.is_whole(), kept.body.len() == WHOLE);
}

/// As its name says, and nothing else that the table holds.
pub async fn the_pages_tell_every_letter(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let mut expected = Vec::new();
    for number in 0..20 {
        let mut letter = placed(fixture, &identities).await.dead_letter();
        // More than a page of 1 MB, all together.
        letter.body = vec![b'x'; 100 * 1024];
        letter.body_bytes = letter.body.len();
        letter.attempts = number;
        bury(fixture, &letter).await;
        expected.push(letter);
    }
    let reader = fixture.letters();
    let mut told = Vec::new();
    let mut after = None;
    loop {
        let page = reader.page(after).await.unwrap();
        assert_eq!(page.unreadable, 0);
        told.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    told.sort_by_key(|letter| letter.attempts);
    assert_eq!(told.len(), expected.len());
    assert!(told == expected, "a letter is told otherwise than it was buried");
}

/// As its name says, under a new attempt that is COMMITTED; its letter is gone.
pub async fn a_redriven_event_is_the_sweeps_again_and_never_expires(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let order = placed(fixture, &identities).await;
    let (letter, event) = (order.dead_letter(), reopened(&order, &identities));
    let event_id = event.message.event_id;
    bury(fixture, &letter).await;
    redriven(fixture, &letter, &event).await;
    assert_eq!(found(fixture, &letter).await, None);
    assert_eq!(fixture.unobserved().find(event_id).await.unwrap(), Some(event.clone()));
    assert_eq!(fixture.expiry_of_copy(event_id).await, None);
    let ledger = fixture.ledger();
    for attempt in [order.event.transaction_id, event.transaction_id] {
        assert_eq!(ledger.state(attempt).await.unwrap(), Some(TransactionState::Committed));
    }
    let claim = fixture.outbox().claim(event_id, moment(600), moment(660)).await;
    assert!(matches!(claim, ClaimOutcome::Won), "{claim:?}");
}

/// As its name says: another deployment's has none.
pub async fn an_event_without_a_copy_gets_one_with_its_redrive(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let foreign = taken(&identities, user(1), &[(1, 1)], moment(0));
    let (letter, event) = (foreign.dead_letter(), reopened(&foreign, &identities));
    bury(fixture, &letter).await;
    redriven(fixture, &letter, &event).await;
    let found = fixture.unobserved().find(event.message.event_id).await.unwrap();
    assert_eq!(found, Some(event));
}

/// As its name says: it can be observed once more, and nothing else is done twice.
pub async fn a_redrive_forgets_the_observation_and_no_other_handlers_part(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let order = placed(fixture, &identities).await;
    let until = moment(0).plus(lifetimes::OBSERVED_EVENT);
    let (observed, told) = (order.inbox(OBSERVER), order.inbox("notification"));
    let first = fixture.observations().observe(&observed, until, soon()).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    assert_unhandled(fixture, &told).await;
    let letter = order.dead_letter();
    bury(fixture, &letter).await;
    redriven(fixture, &letter, &reopened(&order, &identities)).await;
    assert_handled(&fixture.inbox().record(&told, soon()).await);
    let again = fixture.observations().observe(&observed, until, soon()).await;
    assert!(matches!(again, WriteTry::Done), "{again:?}");
    let event_id = order.event.message.event_id;
    assert_eq!(fixture.unobserved().find(event_id).await.unwrap(), None);
    assert_eq!(fixture.expiry_of_copy(event_id).await, Some(until));
}

/// As its name says, so that a try whose answer was lost can be repeated. Whether a second try is
/// done or says that the first was depends on what the store remembers of its callers.
pub async fn a_second_try_of_a_redrive_finds_the_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let order = placed(fixture, &identities).await;
    let (letter, event) = (order.dead_letter(), reopened(&order, &identities));
    bury(fixture, &letter).await;
    redriven(fixture, &letter, &event).await;
    let second = redrive(fixture, &letter, &event).await;
    let found = match &second {
        WriteTry::Done => true,
        WriteTry::Cancelled(cancelled) => cancelled.done_before,
        WriteTry::Refused(_) | WriteTry::Unknown(_) => false,
    };
    assert!(found, "{second:?}");
}

/// As its name says, and nothing is stored then.
pub async fn a_letter_that_is_gone_is_not_redriven(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let order = taken(&identities, user(1), &[(1, 1)], moment(0));
    let (letter, event) = (order.dead_letter(), reopened(&order, &identities));
    assert_gone(fixture, &redrive(fixture, &letter, &event).await, &event).await;
    assert_eq!(fixture.outbox_reader().find(event.message.event_id).await.unwrap(), None);
}

/// As its name says: the event was redriven and given up once more since the other was read.
pub async fn another_letter_of_the_same_event_stays(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let order = placed(fixture, &identities).await;
    let event = reopened(&order, &identities);
    let read = order.dead_letter();
    let later = DeadLetter { message_id: "LATER".to_owned(), ..read.clone() };
    bury(fixture, &later).await;
    assert_gone(fixture, &redrive(fixture, &read, &event).await, &event).await;
    let discarded = fixture.removal().discard(&read, soon()).await;
    assert!(matches!(discarded, WriteTry::Cancelled(LetterGone)), "{discarded:?}");
    assert_eq!(found(fixture, &later).await, Some(later));
}

/// As its name says, and the others find it gone.
pub async fn of_ten_redrives_at_once_one_is_done(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let order = placed(fixture, &identities).await;
    let letter = order.dead_letter();
    bury(fixture, &letter).await;
    let events: Vec<_> = (0..10).map(|_| reopened(&order, &identities)).collect();
    let redrives = events.iter().map(|event| redrive(fixture, &letter, event));
    let outcomes = join_all(redrives).await;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, WriteTry::Done)).count();
    assert_eq!(done, 1, "{outcomes:?}");
    let ledger = fixture.ledger();
    let mut committed = 0;
    for event in &events {
        committed += usize::from(ledger.state(event.transaction_id).await.unwrap().is_some());
    }
    assert_eq!(committed, 1);
}

/// As its name says.
pub async fn a_letter_is_discarded_once(fixture: &impl TableFixture) {
    let letter = placed(fixture, &SequentialIdentities::default()).await.dead_letter();
    bury(fixture, &letter).await;
    let removal = fixture.removal();
    let first = removal.discard(&letter, soon()).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    assert_eq!(found(fixture, &letter).await, None);
    let second = removal.discard(&letter, soon()).await;
    assert!(matches!(second, WriteTry::Cancelled(LetterGone)), "{second:?}");
}

/// As its name says.
pub async fn a_removal_after_its_deadline_changes_nothing(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let order = placed(fixture, &identities).await;
    let (letter, event) = (order.dead_letter(), reopened(&order, &identities));
    bury(fixture, &letter).await;
    let late = Deadline::after(Duration::ZERO);
    let removal = fixture.removal();
    let redrive = removal.redrive(&Redrive { letter: &letter, event: &event }, late).await;
    assert!(matches!(redrive, WriteTry::Refused(_)), "{redrive:?}");
    let discarded = removal.discard(&letter, late).await;
    assert!(matches!(discarded, WriteTry::Refused(_)), "{discarded:?}");
    assert_eq!(found(fixture, &letter).await, Some(letter));
}
