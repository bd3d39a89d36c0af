//! `DeadLetterReader` and `DeadLetterRemoval`, and letters without a change of an aggregate.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{
    DeadLetter, DeadLetterId, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval,
    DeadLetterSummary, IdentitySource, LetterNotFound, MessageId,
};

use domain::aggregate::AggregateKey;

use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TRACEPARENT, dead_letter};

fn letter(identities: &SequentialIdentities) -> DeadLetter {
    dead_letter(Some(identities.event_id()), moment(0))
}

async fn record(fixture: &impl TableFixture, letter: &DeadLetter) {
    let recorded = fixture.letter_moves().record(letter, None, soon()).await;
    assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
    assert!(found(fixture, letter).await.is_some());
}

async fn found(fixture: &impl TableFixture, letter: &DeadLetter) -> Option<DeadLetter> {
    fixture.letters().find(&letter.id()).await.unwrap()
}

/// The stored letter belongs to an earlier publication of the event.
pub async fn a_stored_letter_with_the_same_id_is_replaced(fixture: &impl TableFixture) {
    let first = letter(&SequentialIdentities::default());
    record(fixture, &first).await;
    let later = DeadLetter { message_id: MessageId::of("LATER"), attempts: 4, ..first.clone() };
    record(fixture, &later).await;
    assert_eq!(found(fixture, &first).await, Some(later));
}

/// The body may be any bytes.
pub async fn a_message_without_an_event_is_recorded_under_its_own_id(fixture: &impl TableFixture) {
    let mut letter = dead_letter(None, moment(0));
    letter.body = vec![0xff, 0, 0xfe];
    letter.body_bytes = 3;
    letter.handler = None;
    record(fixture, &letter).await;
    record(fixture, &letter).await;
    assert_eq!(letter.id(), DeadLetterId::of_message(&letter.message_id));
    assert_eq!(found(fixture, &letter).await, Some(letter));
}

/// Its producer has named the message.
pub async fn a_message_may_have_any_name(fixture: &impl TableFixture) {
    let mut expected = Vec::new();
    let long = "x".repeat(40_000);
    for name in ["", "two words", "Grüße 🛒", "DEAD#", &long] {
        let letter = DeadLetter { message_id: MessageId::of(name), ..dead_letter(None, moment(0)) };
        record(fixture, &letter).await;
        let id = letter.id();
        assert_eq!(DeadLetterId::parse(id.as_str()), Ok(id), "an operator can name it");
        expected.push(DeadLetterSummary::from(letter));
    }
    let mut listed = all(fixture).await;
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(listed, expected);
}

/// Its producer has named the message like the event.
pub async fn the_letter_of_a_message_replaces_no_letter_of_an_event(fixture: &impl TableFixture) {
    let event = letter(&SequentialIdentities::default());
    record(fixture, &event).await;
    let id = event.id();
    let forms = [id.to_string(), id.as_str().to_uppercase(), id.as_str().replace('-', "")];
    for name in &forms {
        let message_id = MessageId::of(name);
        record(fixture, &DeadLetter { message_id, ..dead_letter(None, moment(1)) }).await;
    }
    assert_eq!(found(fixture, &event).await, Some(event));
    assert_eq!(all(fixture).await.len(), 1 + forms.len());
}

pub async fn a_letter_is_found_as_it_was_recorded(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let letter = DeadLetter {
        aggregate: Some(AggregateKey::Session { session_id: identities.session_id() }),
        done_by: ["counter".to_owned()].into(),
        traceparent: Some(TRACEPARENT.to_owned()),
        ..letter(&identities)
    };
    assert_eq!(found(fixture, &letter).await, None);
    record(fixture, &letter).await;
    assert_eq!(found(fixture, &letter).await, Some(letter));
}

/// Its full length is kept as well.
pub async fn at_least_the_beginning_of_a_long_body_is_kept(fixture: &impl TableFixture) {
    const WHOLE: usize = 4 * 1024 * 1024;
    let mut letter = dead_letter(None, moment(0));
    letter.body = b"0123456789".iter().copied().cycle().take(WHOLE).collect();
    letter.body_bytes = WHOLE;
    record(fixture, &letter).await;
    let kept = found(fixture, &letter).await.unwrap();
    assert_eq!(kept.body_bytes, WHOLE);
    assert!(kept.body.len() >= 100 * 1024, "only {} bytes are kept", kept.body.len());
    assert!(letter.body.starts_with(&kept.body));
    assert_eq!(kept.is_whole(), kept.body.len() == WHOLE);
}

async fn all(fixture: &impl TableFixture) -> Vec<DeadLetterSummary> {
    let reader = fixture.letters();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = reader.page(after).await.unwrap();
        assert_eq!(page.unreadable, 0);
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            return listed;
        }
    }
}

/// And no other item of the table.
pub async fn the_pages_list_every_letter(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let mut expected = Vec::new();
    for number in 0..20 {
        let mut letter = letter(&identities);
        // All letters together are larger than a page of 1 MB.
        letter.body = vec![b'x'; 100 * 1024];
        letter.body_bytes = letter.body.len();
        letter.attempts = number;
        record(fixture, &letter).await;
        expected.push(letter);
    }
    let mut listed = all(fixture).await;
    listed.sort_by_key(|letter| letter.attempts);
    assert_eq!(listed.len(), expected.len());
    let expected: Vec<_> = expected.into_iter().map(DeadLetterSummary::from).collect();
    assert_eq!(listed, expected);
}

/// Since the letter was read, the event was redriven and given up again.
pub async fn another_letter_of_the_same_event_is_kept(fixture: &impl TableFixture) {
    let read = letter(&SequentialIdentities::default());
    let later = DeadLetter { message_id: MessageId::of("LATER"), ..read.clone() };
    record(fixture, &later).await;
    let discarded = fixture.removal().discard(&read, soon()).await;
    assert!(matches!(discarded, WriteTry::Cancelled(LetterNotFound)), "{discarded:?}");
    assert_eq!(found(fixture, &later).await, Some(later));
}

pub async fn a_letter_is_discarded_once(fixture: &impl TableFixture) {
    let letter = letter(&SequentialIdentities::default());
    record(fixture, &letter).await;
    let removal = fixture.removal();
    let first = removal.discard(&letter, soon()).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    assert_eq!(found(fixture, &letter).await, None);
    let second = removal.discard(&letter, soon()).await;
    assert!(matches!(second, WriteTry::Cancelled(LetterNotFound)), "{second:?}");
}

pub async fn a_removal_after_its_deadline_changes_nothing(fixture: &impl TableFixture) {
    let letter = letter(&SequentialIdentities::default());
    record(fixture, &letter).await;
    let late = Deadline::after(Duration::ZERO);
    let discarded = fixture.removal().discard(&letter, late).await;
    assert!(matches!(discarded, WriteTry::NotBegun(_)), "{discarded:?}");
    assert_eq!(found(fixture, &letter).await, Some(letter));
}
