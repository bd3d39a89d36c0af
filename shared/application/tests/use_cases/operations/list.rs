//! Dead letters are listed for an operator.

use std::time::Duration;

use application::operations::list_dead_letters::{DeadLetterFilter, ListDeadLetters};
use application::outcome::FailureClass;
use application::ports::{Clock, DeadLetter, IdentitySource};
use testkit::fault::{Fault, Operation};
use testkit::samples::dead_letter;
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::given_up;
use crate::orders::create::world;

fn list(world: &World) -> ListDeadLetters<MemoryTables> {
    ListDeadLetters { letters: world.tables.clone() }
}

/// Stores ten letters, a second after one another and in no order. Those with an even number were
/// throttled, and two of three were given up by a handler.
fn put_ten(world: &World) {
    let start = world.clock.now();
    for number in 0..10_u64 {
        let at = start.plus(Duration::from_secs(number * 7 % 10));
        let letter = dead_letter(Some(world.identities.event_id()), at);
        let reason = if number % 2 == 0 { "the service is throttling" } else { "it broke" };
        let handler = (number % 3 > 0).then(|| "notification".to_owned());
        let reason = reason.to_owned();
        world.tables.put_dead_letter(DeadLetter { reason, handler, ..letter });
    }
}

#[tokio::test(start_paused = true)]
async fn letters_are_listed_the_newest_first_as_far_as_they_fit() {
    let world = world();
    let start = world.clock.now();
    put_ten(&world);
    let mut progress = Vec::new();
    let all = DeadLetterFilter::default();
    let listing = list(&world).newest(&all, 3, |found| progress.push(found)).await.unwrap();
    assert_eq!((listing.found, listing.unreadable), (10, 0));
    let times: Vec<_> = listing.items.iter().map(|letter| letter.first_failed_at).collect();
    assert_eq!(times, [9, 8, 7].map(|second| start.plus(Duration::from_secs(second))));
    assert!(progress.len() > 1 && progress.is_sorted(), "{progress:?}");
    assert_eq!(progress.last(), Some(&10));

    let by_both = DeadLetterFilter {
        handler: Some("notification".to_owned()),
        reason: Some("throttling".to_owned()),
    };
    let listing = list(&world).newest(&by_both, 100, |_| {}).await.unwrap();
    assert_eq!((listing.found, listing.items.len()), (3, 3), "those numbered 2, 4 and 8");
    assert!(listing.items.iter().all(|letter| letter.reason.contains("throttling")));
    let by_reason = DeadLetterFilter { handler: None, ..by_both };
    assert_eq!(list(&world).newest(&by_reason, 100, |_| {}).await.unwrap().found, 5);
}

#[tokio::test(start_paused = true)]
async fn a_listed_letter_says_what_it_is_about() {
    let world = world();
    put_ten(&world);
    let (id, letter) = given_up(&world).await;
    let filter = DeadLetterFilter { handler: Some("inventory".to_owned()), reason: None };
    let listing = list(&world).newest(&filter, 100, |_| {}).await.unwrap();
    let [listed] = &listing.items[..] else { panic!("{listing:?}") };
    assert_eq!((&listed.id, listed.event_id), (&letter.id(), letter.event_id));
    assert_eq!(listed.event_type.as_deref(), Some("OrderCreated"));
    assert_eq!(listed.subject, Some(id.to_string()));
    assert_eq!((listed.attempts, listed.expires_at), (16, None));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_cannot_be_read_to_its_end_fails() {
    let world = world();
    put_ten(&world);
    world.tables.script(Operation::PageOfLetters, [Fault::Refused(FailureClass::Unavailable)]);
    let all = DeadLetterFilter::default();
    let failure = list(&world).newest(&all, 3, |_| {}).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
}
