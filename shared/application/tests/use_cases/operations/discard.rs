//! A discarded letter is gone, and its event is never handled.

use application::operations::discard_dead_letter::{DiscardDeadLetter, DiscardError};
use application::outcome::FailureClass;
use domain::order::OrderStatus;
use testkit::fault::{Fault, Operation};
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{MINUTE, given_up};
use crate::events::{consume, stored};
use crate::orders::create::world;

pub(crate) fn discard(world: &World) -> DiscardDeadLetter<MemoryTables, MemoryTables> {
    DiscardDeadLetter { letters: world.tables.clone(), aggregates: world.tables.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_discarded_letter_is_returned_and_is_gone() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    let (_, other) = given_up(&world).await;
    world.tables.script(Operation::Discard, [Fault::Busy, Fault::RequestLost]);
    assert_eq!(discard(&world).discard(&letter.id()).await.unwrap(), letter);
    assert_eq!(world.tables.dead_letters(), [other]);
    let error = discard(&world).discard(&letter.id()).await.unwrap_err();
    assert!(matches!(error, DiscardError::NotFound), "{error:?}");
    consume(&world, MINUTE).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Created, "its event is never handled");
    assert!(stored.pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_discard_whose_answer_was_lost_is_not_guessed() {
    let world = world();
    let (_, letter) = given_up(&world).await;
    world.tables.script(Operation::Discard, [Fault::ReplyLost]);
    let error = discard(&world).discard(&letter.id()).await.unwrap_err();
    assert!(matches!(error, DiscardError::Unknown(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_cannot_be_read_or_removed_stays() {
    let world = world();
    let (_, letter) = given_up(&world).await;
    let unavailable = Fault::Refused(FailureClass::Unavailable);
    for operation in [Operation::FindLetter, Operation::Discard] {
        world.tables.fail_every_call(operation, unavailable);
        let error = discard(&world).discard(&letter.id()).await.unwrap_err();
        assert!(matches!(error, DiscardError::Failed(_)), "{operation:?}: {error:?}");
        assert_eq!(world.tables.dead_letters(), std::slice::from_ref(&letter));
        world.tables.heal(operation);
    }
}
