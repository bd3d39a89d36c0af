//! A window of the sweep in which brokers are gone, or answer for some events alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::events::sweep::Sweep;
use application::lifetimes;
use application::outcome::{Failure, FailureClass};
use application::ports::pending::{DueAggregate, DueAggregates, PendingEventIndex};
use application::ports::{Clock, GroupPosition, PublishedEvents, Topic};
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::sweep::{LOOK, MINUTE, created, lose, lost, stored, sweep};
use crate::orders::create::world;

type SweepOf<Index, Topics> =
    Sweep<Index, MemoryTables, Topics, MemoryBroker, ManualClock, SequentialIdentities>;

/// The sweep of a world, with other topics.
pub(super) fn with_topics<Topics>(world: &World, topics: Topics) -> SweepOf<MemoryTables, Topics> {
    let Sweep { index, aggregates, publication, identities, pace, .. } = world.sweep_pending();
    Sweep { index, aggregates, topics, publication, identities, pace }
}

/// The sweep of a world, with another index.
fn with_index<Index>(world: &World, index: Index) -> SweepOf<Index, MemoryBroker> {
    let Sweep { aggregates, topics, publication, identities, pace, .. } = world.sweep_pending();
    Sweep { index, aggregates, topics, publication, identities, pace }
}

/// Topics that count the questions for events. Each answer takes a while.
struct Asked<'a> {
    broker: MemoryBroker,
    takes: Duration,
    count: &'a AtomicU64,
    /// The event for which alone no answer comes.
    broken: Option<EventId>,
}

impl<'a> Asked<'a> {
    fn of(world: &World, takes: Duration, count: &'a AtomicU64) -> Self {
        Self { broker: world.broker.clone(), takes, count, broken: None }
    }
}

impl PublishedEvents for Asked<'_> {
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
        self.count.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        if self.broken == Some(event_id) {
            return Err(Failure::new(FailureClass::Permanent, "broken on demand"));
        }
        self.broker.is_published(topic, event_id, transaction_id, deadline).await
    }
}

impl GroupPosition for Asked<'_> {
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
async fn a_broker_that_comes_back_during_a_window_gets_the_whole_backlog_in_the_next_look() {
    let world = world();
    world.broker.become_unreachable();
    for _ in 0..600 {
        created(&world).await;
    }
    // Looks at 0, 5, 10 and 15 s, and no later one.
    let sweeping = world.sweep_pending();
    let back = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        world.broker.become_reachable();
    };
    let (report, ()) = tokio::join!(sweeping.run(Deadline::after(Duration::from_secs(21))), back);
    assert_eq!(report.sent, 600, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_without_a_complete_answer_is_asked_again_within_its_window() {
    let world = world();
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, 1);
    let report = sweep(&world, Duration::from_secs(20)).await;
    assert_eq!((report.sent, report.deferred), (1, 1), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn while_not_every_broker_answers_one_event_asks_and_the_others_wait_without_asking() {
    let world = world();
    for _ in 0..300 {
        created(&world).await;
    }
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, u32::MAX);
    let count = AtomicU64::new(0);
    let topics = Asked::of(&world, Duration::ZERO, &count);
    with_topics(&world, topics).run(Deadline::after(MINUTE)).await;
    // The first look asks for as many as are processed at once; each later look asks for one.
    let asked = count.load(Ordering::SeqCst);
    assert!((2..=16 + 12 + 1).contains(&asked), "{asked} questions for 300 events");
}

#[tokio::test(start_paused = true)]
async fn once_every_broker_answers_again_events_are_looked_up_at_the_same_time() {
    let world = world();
    for _ in 0..100 {
        created(&world).await;
    }
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, 16);
    let count = AtomicU64::new(0);
    let topics = Asked::of(&world, Duration::from_millis(100), &count);
    // All of them are due again at the look after 15 s. The two seconds that are left then are
    // enough for 100 answers of a tenth of a second each, if 16 are waited for at once.
    let report = with_topics(&world, topics).run(Deadline::after(Duration::from_secs(22))).await;
    assert_eq!(report.found, 100, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_one_events_own_holds_up_no_other() {
    let world = world();
    let ids = [created(&world).await, created(&world).await, created(&world).await];
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let count = AtomicU64::new(0);
    let mut topics = Asked::of(&world, Duration::ZERO, &count);
    topics.broken = Some(stored(&world, ids[0]).created_event());
    let report = with_topics(&world, topics).run(Deadline::after(LOOK)).await;
    assert_eq!((report.found, report.deferred), (2, 1), "{report:?}");
}

/// An index that is behind: it still lists an aggregate of which nothing is pending.
struct Behind {
    listed: DueAggregate,
    unreadable: usize,
}

impl PendingEventIndex for Behind {
    async fn due(
        &self,
        topic: Topic,
        _now: Timestamp,
        _limit: usize,
    ) -> Result<DueAggregates, Failure> {
        Ok(match topic {
            Topic::Orders => {
                let unreadable = self.unreadable;
                DueAggregates { aggregates: vec![self.listed], more: true, unreadable }
            }
            Topic::Users => DueAggregates::default(),
        })
    }

    async fn postpone(&self, _due: &DueAggregate, _until: Timestamp) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_have_claimed_is_not_looked_for_again_at_once() {
    for unreadable in [0, 1, 2] {
        let world = world();
        let id = created(&world).await;
        let mut handled = stored(&world, id);
        let key = handled.key();
        handled.pending = [].into_iter().collect();
        world.tables.put_stored_order(handled);
        let listed = DueAggregate { key, due: world.clock.now() };
        let sweeping = with_index(&world, Behind { listed, unreadable });
        let report = sweeping.run(Deadline::after(LOOK)).await;
        assert_eq!(report.looks, 2, "one of orders and one of users");
        // Whatever can't be read, a look has failed once.
        assert_eq!(report.failed_looks, u64::from(unreadable > 0), "{unreadable} unreadable");
    }
}

#[tokio::test(start_paused = true)]
async fn each_look_reads_the_index_once_unless_more_is_due() {
    let world = world();
    lose(&world, 3).await;
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.looks), (3, 2), "one look at orders and one at users");
}

/// Like an item that newer code stored in another format.
#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_read_is_a_failed_look_and_hides_no_other() {
    let world = world();
    lose(&world, 2).await;
    world.tables.script(Operation::FindAggregate, [Fault::Refused(FailureClass::Permanent)]);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.deferred, report.failed_looks), (1, 1, 1), "{report:?}");
}
