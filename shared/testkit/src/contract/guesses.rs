//! `GuessRecords` and `KnownSources`.

use std::time::Duration;

use application::ports::{
    AddressDigest, Clock, GuessRecords, GuessTarget, GuessUpdate, KnownSources,
};
use application::users::guess_guard::{self, GuessGuard, GuessRefused};
use domain::account::{GuessLimit, Guesses};
use domain::timestamp::Timestamp;
use futures::future::join_all;

use super::{TableFixture, moment};
use crate::samples::{email, source};

fn target() -> GuessTarget {
    GuessTarget::Account(AddressDigest::of(&email("demo@example.com")))
}

/// `made` guesses, with another time of the last one for each number.
fn guesses(made: u32) -> Guesses {
    let limit = GuessLimit { free: 2, forget_after: Duration::from_secs(3_600) };
    (0..made)
        .fold(None, |known: Option<Guesses>, _| {
            let now = known.map_or(moment(0), |known| known.wait_until.max(moment(0)));
            Guesses::one_more(known, limit, now).ok()
        })
        .unwrap()
}

pub async fn guesses_are_replaced_if_they_are_as_expected(fixture: &impl TableFixture) {
    let records = fixture.accounts();
    assert_eq!(records.find(target()).await.unwrap(), None);
    let (one, two, three) = (guesses(1), guesses(2), guesses(3));
    for (expected, new) in [
        (None, Some(one)),
        (Some(one), Some(two)),
        (Some(two), Some(three)),
        (Some(three), None),
        (None, Some(one)),
    ] {
        let replaced = records.replace(target(), expected, new).await.unwrap();
        assert_eq!(replaced, GuessUpdate::Done);
        assert_eq!(records.find(target()).await.unwrap(), new);
    }
    for (expected, new) in [(None, Some(two)), (Some(two), Some(three)), (Some(two), None)] {
        let replaced = records.replace(target(), expected, new).await.unwrap();
        assert_eq!(replaced, GuessUpdate::Found(Some(one)));
    }
    let another = GuessTarget::Source(source("192.0.2.1"));
    let replaced = records.replace(another, Some(one), Some(two)).await.unwrap();
    assert_eq!(replaced, GuessUpdate::Found(None));
}

pub async fn of_ten_replacements_with_one_expectation_at_once_one_is_stored(
    fixture: &impl TableFixture,
) {
    let records = &fixture.accounts();
    let mut known = None;
    for round in 1..4 {
        let new = guesses(round);
        let tries = (0..10).map(|_| records.replace(target(), known, Some(new)));
        let done = join_all(tries).await;
        let done =
            done.into_iter().filter(|replaced| *replaced.as_ref().unwrap() == GuessUpdate::Done);
        assert_eq!(done.count(), 1);
        known = Some(new);
    }
}

/// A clock that does not advance, so that no wait for another guess ends, however slow the table
/// is.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        moment(0)
    }
}

pub async fn of_two_hundred_guesses_at_once_only_the_limit_is_admitted(
    fixture: &impl TableFixture,
) {
    let guard = &GuessGuard { records: fixture.accounts(), clock: Stopped };
    let guesses = (0..200).map(|_| guard.admit(target(), guess_guard::ACCOUNT));
    let (mut admitted, mut last, mut refused, mut unanswered) = (0, 0, 0, 0);
    for guess in join_all(guesses).await {
        match guess {
            Ok(now_waits) => {
                admitted += 1;
                last += u32::from(now_waits);
            }
            Err(GuessRefused::Wait(wait)) => {
                assert_eq!(wait, Duration::from_secs(30));
                refused += 1;
            }
            // The table answered too late under this load: the guess is counted, but not admitted.
            Err(GuessRefused::Unavailable(_)) => unanswered += 1,
        }
    }
    assert_eq!(admitted + refused + unanswered, 200);
    let counted = 10 - unanswered.min(10)..=10;
    assert!(counted.contains(&admitted), "{admitted}, {unanswered} unanswered");
    assert!(last == 1 || (last == 0 && unanswered > 0), "{last} were the last before a wait");
}

pub async fn a_source_is_known_for_its_account_only_until_it_expires(fixture: &impl TableFixture) {
    let sources = fixture.accounts();
    let (demo, other) = ("demo@example.com", "other@example.com");
    let digest = |address| AddressDigest::of(&email(address));
    let knows = async |address, from, now: Timestamp| {
        sources.knows(digest(address), source(from), now).await.unwrap()
    };
    assert!(!knows(demo, "192.0.2.1", moment(0)).await);
    sources.remember(digest(demo), source("192.0.2.1"), moment(60)).await.unwrap();
    assert!(knows(demo, "192.0.2.1", moment(59)).await);
    assert!(!knows(demo, "192.0.2.1", moment(60)).await);
    assert!(!knows(demo, "192.0.2.2", moment(0)).await);
    assert!(!knows(other, "192.0.2.1", moment(0)).await);
    sources.remember(digest(demo), source("192.0.2.1"), moment(120)).await.unwrap();
    assert!(knows(demo, "192.0.2.1", moment(60)).await);
}
