//! When the sweep looks at an event again, and from which moment on it publishes it.

use std::time::Duration;

use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::Failure;
use application::ports::{
    Clock, EventSubscription, GroupPosition, IdentitySource, PublishedEvents, Topic,
};
use domain::identity::{EventId, OrderId, TransactionId};
use domain::pending::{PendingEvent, Publication};
use domain::timestamp::Timestamp;
use testkit::broker::MemoryBroker;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::raised_by_newer_code;
use super::reach::with_topics;
use super::sweep::{LOOK, MINUTE, created, entry, lost, stored, sweep};
use crate::orders::create::world;

const MOMENT: Duration = Duration::from_millis(1);

/// Moves the wall clock on to a moment.
fn advance_to(world: &World, moment: Timestamp) {
    let now = world.clock.now();
    assert!(now <= moment, "it is over");
    world.clock.advance(moment.since(now));
}

/// An order whose message is on no topic, and whose event is due.
async fn due(world: &World) -> OrderId {
    let id = lost(world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    id
}

/// Replaces the entry of an order's `OrderCreated`.
fn put_entry(world: &World, id: OrderId, entry: PendingEvent) {
    let mut changed = stored(world, id);
    changed.pending.put(changed.created_event(), entry);
    changed.revision += 1;
    world.tables.put_stored_order(changed);
}

/// Receives what is on the topic, and acknowledges nothing: our group has passed it.
async fn pass(world: &World) {
    while !world.broker.receive(32, Deadline::after(LOOK)).await.unwrap().is_empty() {}
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_sent_is_looked_at_again_after_a_minute() {
    let world = world();
    let id = due(&world).await;
    let now = world.clock.now();
    assert_eq!(sweep(&world, LOOK).await.sent, 1);
    let sent = entry(&world, id);
    assert_eq!((sent.publication, sent.published_at), (Publication::Sent, now));
    assert_eq!(sent.due, now.plus(lifetimes::SWEEP_AFTER));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_not_sent_comes_up_again_as_soon_as_its_failure_allows() {
    // A broker that accepts nothing may be back in ten seconds; a half message whose end was lost
    // is asked about first.
    for (fault, seconds) in [(BrokerFault::PrepareFails, 10), (BrokerFault::EndLost, 60)] {
        let world = world();
        let id = due(&world).await;
        let began = world.clock.now();
        world.broker.script(fault, 1);
        assert_eq!(sweep(&world, LOOK).await.sent, 0, "{fault:?}");
        let entry = entry(&world, id);
        assert_eq!(entry.publication, Publication::Sent, "{fault:?}");
        assert!(entry.published_at >= began, "{fault:?}: {entry:?}");
        let wait = entry.due.since(entry.published_at);
        assert_eq!(wait, Duration::from_secs(seconds), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_never_sent_counts_as_sent_from_its_claim_on() {
    let world = world();
    world.broker.become_unreachable();
    let id = created(&world).await;
    world.broker.become_reachable();
    let now = world.clock.now();
    // The process dies after its claim.
    world.tables.script(Operation::ChangeAggregate, [Fault::ReplyLost]);
    assert_eq!(sweep(&world, LOOK).await.sent, 0);
    let claimed = entry(&world, id);
    assert_eq!((claimed.publication, claimed.published_at), (Publication::Sent, now));
    assert_eq!(claimed.due, now.plus(lifetimes::SWEEP_AFTER));
}

#[tokio::test(start_paused = true)]
async fn a_claim_takes_those_events_of_an_aggregate_that_are_due_and_no_other() {
    let world = world();
    world.broker.become_unreachable();
    let id = created(&world).await;
    world.broker.become_reachable();
    let (other, publication) = (world.identities.event_id(), world.identities.transaction_id());
    let created_at = world.clock.now();
    let later = PendingEvent {
        due: created_at.plus(MINUTE * 7),
        ..PendingEvent::unsent(publication, created_at)
    };
    let mut two = stored(&world, id);
    two.pending.put(other, later.clone());
    two.revision += 1;
    world.tables.put_stored_order(two);
    world.clock.advance(MINUTE);
    let now = world.clock.now();
    // The process dies after its claim.
    world.tables.script(Operation::ChangeAggregate, [Fault::ReplyLost]);
    assert_eq!(sweep(&world, LOOK).await.sent, 0);
    let claimed = entry(&world, id);
    assert_eq!((claimed.publication, claimed.published_at), (Publication::Sent, now));
    assert_eq!(claimed.due, now.plus(lifetimes::SWEEP_AFTER));
    assert_eq!(stored(&world, id).pending.get(other), Some(&later));
}

#[tokio::test(start_paused = true)]
async fn the_longer_no_answer_is_complete_the_later_is_the_next_question() {
    let world = world();
    let id = created(&world).await;
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, u32::MAX);
    let began = world.clock.now();
    for (silent, wait) in [(0, 10), (10, 10), (30, 30), (61, 60), (300, 60)] {
        advance_to(&world, began.plus(Duration::from_secs(silent)));
        sweep(&world, LOOK).await;
        let entry = entry(&world, id);
        assert_eq!(entry.unanswered_since, Some(began));
        assert_eq!(entry.due.since(began).as_secs(), silent + wait, "after {silent} s");
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_minutes_without_a_complete_answer_an_event_is_sent_and_not_before() {
    for (silent, sent) in [(MINUTE * 10 - MOMENT, 0), (MINUTE * 10, 1)] {
        let world = world();
        let id = created(&world).await;
        world.clock.advance(lifetimes::SWEEP_AFTER);
        world.broker.script(BrokerFault::LookupFails, u32::MAX);
        let began = world.clock.now();
        sweep(&world, LOOK).await;
        advance_to(&world, began.plus(silent));
        assert_eq!(sweep(&world, LOOK).await.sent, sent, "after {silent:?}");
        let entry = entry(&world, id);
        assert_eq!(u64::from(entry.copies), sent);
        // The silence about the copy begins with the next question.
        assert_eq!(entry.unanswered_since.is_none(), sent == 1, "{entry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_complete_answer_ends_the_silence_whatever_it_says() {
    for is_there in [true, false] {
        let world = world();
        let id = if is_there { created(&world).await } else { due(&world).await };
        if is_there {
            world.clock.advance(lifetimes::SWEEP_AFTER);
        }
        world.broker.script(BrokerFault::LookupFails, 1);
        sweep(&world, LOOK).await;
        assert!(entry(&world, id).unanswered_since.is_some());
        world.clock.advance(MINUTE);
        // What is not there can't be sent either.
        world.broker.script(BrokerFault::PrepareFails, 1);
        let report = sweep(&world, LOOK).await;
        assert_eq!((report.found, report.deferred), (u64::from(is_there), u64::from(!is_there)));
        assert_eq!(entry(&world, id).unanswered_since, None, "is there: {is_there}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_overdue_after_ten_minutes_on_its_topic() {
    for (waited, overdue) in [(MINUTE * 10, 0), (MINUTE * 10 + MOMENT, 1)] {
        let world = world();
        let id = created(&world).await;
        advance_to(&world, entry(&world, id).since.plus(waited));
        let report = sweep(&world, LOOK).await;
        assert_eq!((report.found, report.overdue), (1, overdue), "after {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_our_group_has_passed_is_lost_for_us_after_seventy_five_minutes() {
    for (waited, republished) in [(MINUTE * 75 - MOMENT, 0), (MINUTE * 75, 1)] {
        let world = world();
        let id = created(&world).await;
        pass(&world).await;
        advance_to(&world, entry(&world, id).published_at.plus(waited));
        let now = world.clock.now();
        assert_eq!(sweep(&world, LOOK).await.republished, republished, "after {waited:?}");
        let entry = entry(&world, id);
        if republished == 1 {
            assert_eq!((entry.publication, entry.published_at), (Publication::Sent, now));
        } else {
            assert_eq!(entry.publication, Publication::Found);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_could_not_be_sent_is_looked_up_like_one_that_was() {
    let world = world();
    let id = created(&world).await;
    pass(&world).await;
    let first = entry(&world, id);
    advance_to(&world, first.published_at.plus(MINUTE * 75));
    let now = world.clock.now();
    world.broker.script(BrokerFault::PrepareFails, 1);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.republished, report.deferred), (0, 1));
    let copy = entry(&world, id);
    assert_eq!((copy.publication, copy.published_at, copy.copies), (Publication::Sent, now, 1));
    assert_ne!(copy.transaction_id, first.transaction_id);
    assert_eq!(copy.due, now.plus(Duration::from_secs(10)));
}

/// The process that received the last copy may have died before it could record a failure.
#[tokio::test(start_paused = true)]
async fn after_each_copy_of_an_event_that_failed_the_next_one_waits_twice_as_long() {
    for (copies, minutes) in [(1, 2), (2, 4), (4, 16)] {
        for (early, republished) in [(MOMENT, 0), (Duration::ZERO, 1)] {
            let world = world();
            let id = created(&world).await;
            pass(&world).await;
            let now = world.clock.now();
            let failed = PendingEvent {
                failures: 1,
                copies,
                published_at: now,
                due: now.plus(MOMENT),
                ..entry(&world, id)
            };
            put_entry(&world, id, failed);
            advance_to(&world, now.plus(MINUTE * minutes - early));
            let report = sweep(&world, LOOK).await;
            assert_eq!(report.republished, republished, "{copies} copies, {early:?} early");
        }
    }
}

/// Records a failure and a mark for an order's event whenever a topic is asked for it.
struct DeliversMeanwhile {
    broker: MemoryBroker,
    tables: MemoryTables,
    id: OrderId,
    /// When the next delivery is expected.
    expected: Timestamp,
}

impl PublishedEvents for DeliversMeanwhile {
    async fn answers(&self, topic: Topic, deadline: Deadline) -> bool {
        self.broker.answers(topic, deadline).await
    }

    async fn is_published(
        &self,
        topic: Topic,
        event_id: EventId,
        transaction_id: TransactionId,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let mut stored = self.tables.stored_order(self.id).unwrap();
        let mut entry = stored.pending.remove(event_id).unwrap();
        entry.failures += 1;
        entry.done_by.insert("counter".to_owned());
        entry.due = self.expected;
        stored.pending.put(event_id, entry);
        stored.revision += 1;
        self.tables.put_stored_order(stored);
        self.broker.is_published(topic, event_id, transaction_id, deadline).await
    }
}

impl GroupPosition for DeliversMeanwhile {
    async fn has_passed(
        &self,
        topic: Topic,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        self.broker.has_passed(topic, at, deadline).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_delivery_records_during_a_look_is_kept() {
    let world = world();
    let id = created(&world).await;
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let (broker, tables) = (world.broker.clone(), world.tables.clone());
    let expected = world.clock.now().plus(MINUTE * 7);
    let topics = DeliversMeanwhile { broker, tables, id, expected };
    let report = with_topics(&world, topics).run(Deadline::after(LOOK)).await;
    assert_eq!(report.found, 1, "{report:?}");
    let entry = entry(&world, id);
    assert_eq!((entry.failures, entry.due), (1, expected));
    assert!(entry.done_by.contains("counter"));
    assert_eq!(entry.publication, Publication::Found, "what the sweep has found is kept as well");
}

/// An older deployment runs beside the one that raised the event.
#[tokio::test(start_paused = true)]
async fn an_event_that_only_newer_code_can_rebuild_is_left_to_it() {
    let world = world();
    let id = due(&world).await;
    raised_by_newer_code(&world, id);
    let (before, now) = (entry(&world, id), world.clock.now());
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.deferred), (0, 1), "{report:?}");
    let expected = PendingEvent { due: now.plus(lifetimes::SWEEP_AFTER), ..before };
    assert_eq!(entry(&world, id), expected);
}
