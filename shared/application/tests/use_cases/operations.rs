//! What operators do with events.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::Registry;
use application::events::publish::PublishStored;
use application::operations::redrive::{Redrive, RedriveError};
use application::operations::replay::{Replay, ReplayError};
use application::outcome::FailureClass;
use application::ports::{Clock, DeadLetter, DeadLetterId};
use domain::identity::OrderId;
use domain::order::OrderStatus;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::samples::{dead_letter, product_id};
use testkit::tables::MemoryTables;
use testkit::world::World;

use crate::orders::create::{command, create, world};

type MemoryRedrive =
    Redrive<MemoryTables, MemoryTables, SequentialIdentities, MemoryBroker, ManualClock>;

fn publish(world: &World) -> PublishStored<MemoryBroker, ManualClock> {
    PublishStored { publisher: world.broker.clone(), clock: world.clock.clone() }
}

fn redrive(world: &World) -> MemoryRedrive {
    Redrive {
        letters: world.tables.clone(),
        aggregates: world.tables.clone(),
        identities: world.identities.clone(),
        clock: world.clock.clone(),
        publication: Some(publish(world)),
    }
}

fn replay(world: &World) -> Replay<MemoryTables, MemoryBroker, ManualClock, SequentialIdentities> {
    Replay {
        aggregates: world.tables.clone(),
        publication: publish(world),
        identities: world.identities.clone(),
    }
}

async fn consume(world: &World, window: Duration) {
    world.consume_pending(Registry::default()).run(Deadline::after(window)).await;
}

const MINUTE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3 * 60 * 60);

/// An order whose first event is a dead letter.
async fn buried(world: &World) -> (OrderId, DeadLetterId) {
    let id = create(world, &command(2, None)).await.unwrap().order.id();
    world.tables.break_down(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume(world, LONG).await;
    world.tables.heal(Operation::Reserve);
    (id, world.tables.dead_letters()[0].id())
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_handled_as_if_it_had_never_failed() {
    let world = world();
    let (id, letter) = buried(&world).await;
    let given_up = world.broker.halves()[0].transaction_id;
    let redriven = redrive(&world).redrive(&letter).await.unwrap();
    assert!(redriven.is_published);
    assert_eq!(world.tables.dead_letters(), []);
    let stored = world.tables.stored_order(id).unwrap();
    let entry = stored.pending.get(redriven.event_id).unwrap();
    assert_eq!(entry.failures, 0);
    assert_ne!(entry.transaction_id, given_up, "the old message is not taken for it");
    consume(&world, MINUTE).await;
    let stored = world.tables.stored_order(id).unwrap();
    assert_eq!(stored.order.status(), OrderStatus::Confirmed);
    assert!(stored.pending.is_empty());
    let gone = redrive(&world).redrive(&letter).await.unwrap_err();
    assert!(matches!(gone, RedriveError::NotThere), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_the_sweeps_where_no_broker_can_be_reached() {
    let world = world();
    let (id, letter) = buried(&world).await;
    let without = Redrive { publication: None, ..redrive(&world) };
    assert!(!without.redrive(&letter).await.unwrap().is_published);
    world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await;
    consume(&world, MINUTE).await;
    assert_eq!(world.tables.stored_order(id).unwrap().order.status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_whose_answer_was_lost_is_found() {
    for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::Busy] {
        let world = world();
        let (id, letter) = buried(&world).await;
        world.tables.script(Operation::RedriveAndReturn, [fault]);
        redrive(&world).redrive(&letter).await.unwrap();
        consume(&world, MINUTE).await;
        let stored = world.tables.stored_order(id).unwrap();
        assert_eq!(stored.order.status(), OrderStatus::Confirmed, "{fault:?}");
        assert_eq!(world.tables.stock_of(product_id(1)), Some(8), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_keeps_the_marks_of_the_handlers_that_were_done() {
    let world = world();
    let (id, letter) = buried(&world).await;
    let marked = DeadLetter {
        done_by: ["counter".to_owned()].into(),
        ..world.tables.dead_letters().remove(0)
    };
    world.tables.put_dead_letter(marked);
    let redriven = redrive(&world).redrive(&letter).await.unwrap();
    let stored = world.tables.stored_order(id).unwrap();
    let entry = stored.pending.get(redriven.event_id).unwrap();
    assert!(entry.done_by.contains("counter"));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_letter_is_published_first_and_removed_after_the_answer() {
    let world = world();
    create(&world, &command(2, None)).await.unwrap();
    let body = world.broker.halves()[0].message.body.clone().into_bytes();
    let foreign =
        DeadLetter { body_bytes: body.len(), body, ..dead_letter(None, world.clock.now()) };
    world.tables.put_dead_letter(foreign.clone());
    let before = world.broker.visible().len();
    world.broker.script(BrokerFault::PrepareFails, 1);
    let failed = redrive(&world).redrive(&foreign.id()).await.unwrap_err();
    assert!(matches!(failed, RedriveError::Send(_)), "{failed:?}");
    assert_eq!((world.tables.dead_letters().len(), world.broker.visible().len()), (1, before));
    redrive(&world).redrive(&foreign.id()).await.unwrap();
    assert_eq!((world.tables.dead_letters().len(), world.broker.visible().len()), (0, before + 1));
    let without = Redrive { publication: None, ..redrive(&world) };
    world.tables.put_dead_letter(foreign.clone());
    let refused = without.redrive(&foreign.id()).await.unwrap_err();
    assert!(matches!(refused, RedriveError::NeedsBroker), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_not_redriven() {
    let world = world();
    let letter = dead_letter(None, world.clock.now());
    world.tables.put_dead_letter(letter.clone());
    let refused = redrive(&world).redrive(&letter.id()).await.unwrap_err();
    assert!(matches!(refused, RedriveError::Undecodable(_)), "{refused:?}");
    assert_eq!(world.tables.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_every_event_byte_for_byte_and_has_no_effect_of_ours() {
    let world = world();
    let id = create(&world, &command(2, None)).await.unwrap().order.id();
    consume(&world, MINUTE).await;
    let first = world.broker.visible();
    let stored = world.tables.stored_order(id).unwrap();
    let sent = replay(&world).aggregate(stored.key()).await.unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(world.broker.visible()[2..], first[..], "in the order of the history");
    consume(&world, MINUTE).await;
    assert_eq!(world.broker.unacknowledged(), 0);
    assert_eq!(world.tables.stored_order(id), Some(stored.clone()), "nothing has changed");
    let missing = "USER#1/ORDER#01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let missing = replay(&world).aggregate(missing).await.unwrap_err();
    assert!(matches!(missing, ReplayError::NotThere), "{missing:?}");
    world.broker.script(BrokerFault::PrepareFails, 1);
    let failed = replay(&world).aggregate(stored.key()).await.unwrap_err();
    assert!(matches!(failed, ReplayError::Send { .. }), "{failed:?}");
}
