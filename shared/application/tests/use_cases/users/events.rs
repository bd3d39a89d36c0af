//! Events of users reach their topic and its consumer, without a broker in their requests.

use std::num::NonZeroU32;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{ConsumptionReport, Registry};
use application::events::publish::PublishStored;
use application::events::sweep::{Sweep, SweepReport};
use application::lifetimes;
use application::operations::replay::Replay;
use application::outcome::{Failure, FailureClass};
use application::ports::Topic;
use application::ports::pending::{DueAggregate, DueAggregates, PendingEventIndex};
use contracts::event::{Event, EventType};
use domain::account::SESSION_LIFETIME;
use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{PASSWORD, delete, log_in, register};
use crate::orders;

async fn sweep(world: &World) -> SweepReport {
    world.sweep_pending().run(Deadline::after(Duration::from_secs(50))).await
}

async fn consume(world: &World) -> ConsumptionReport {
    let consume = world.consume_pending(Registry::default());
    consume.run(Deadline::after(Duration::from_secs(60))).await
}

fn types_on_topic(world: &World) -> Vec<EventType> {
    let bodies = world.broker.visible();
    let event = |body: &String| Event::decode(body.as_bytes()).unwrap().data.event_type();
    let mut types: Vec<_> = bodies.iter().map(event).collect();
    types.sort_by_key(|event_type| event_type.as_str());
    types
}

fn pending(world: &World) -> usize {
    let events = |key| world.tables.user_events(key).unwrap().pending.len();
    world.tables.user_aggregates().into_iter().map(events).sum()
}

#[tokio::test(start_paused = true)]
async fn what_users_did_is_pending_until_it_is_published_and_handled() {
    let world = World::default();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    delete(&world, bearer, PASSWORD).await.unwrap();
    assert_eq!(world.broker.visible(), Vec::<String>::new());
    assert_eq!(pending(&world), 3);

    assert_eq!(sweep(&world).await.sent, 3);
    let expected = [EventType::UserDeleted, EventType::UserLoggedIn, EventType::UserRegistered];
    assert_eq!(types_on_topic(&world), expected);
    assert_eq!(pending(&world), 3, "published is not handled");

    let consumed = consume(&world).await;
    assert_eq!(consumed, ConsumptionReport { handled: 3, ..ConsumptionReport::default() });
    assert_eq!(pending(&world), 0);
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(sweep(&world).await.sent, 0, "nothing is left to send");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_kept_until_its_event_is_handled_however_long_that_takes() {
    let world = World::default();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let key = AggregateKey::Session { session_id: bearer.session_id };
    world.clock.advance(SESSION_LIFETIME * 2);
    assert_eq!(world.tables.expiry_of(key), None);
    assert_eq!(sweep(&world).await.sent, 2);
    assert_eq!(consume(&world).await.handled, 2);
    assert!(world.tables.expiry_of(key).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_users_event_whose_table_is_throttled_comes_again_and_is_handled_once() {
    let world = World::default();
    register(&world).await;
    assert_eq!(sweep(&world).await.sent, 1);
    let throttled = Fault::Refused(FailureClass::Throttled);
    world.tables.script(Operation::FindAggregate, [throttled; 3]);
    let consumed = consume(&world).await;
    assert_eq!((consumed.postponed, consumed.handled), (3, 1), "{consumed:?}");
    assert_eq!(pending(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_a_deleted_account_sends_the_same_events_again() {
    let world = World::default();
    let account = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    delete(&world, bearer, PASSWORD).await.unwrap();
    sweep(&world).await;
    consume(&world).await;
    let mut first = world.broker.visible();
    let replay = Replay {
        aggregates: world.tables.clone(),
        publication: PublishStored { publisher: world.broker.clone(), clock: world.clock.clone() },
        identities: world.identities.clone(),
        events_per_second: NonZeroU32::new(100).unwrap(),
    };
    let account = AggregateKey::Account { user_id: account.user_id() };
    let session = AggregateKey::Session { session_id: bearer.session_id };
    assert_eq!(replay.run(&[account], None, |_| {}).await.unwrap().len(), 2);
    assert_eq!(replay.run(&[session], None, |_| {}).await.unwrap().len(), 1);
    let mut again = world.broker.visible().split_off(first.len());
    first.sort();
    again.sort();
    assert_eq!(again, first, "byte for byte");
    let consumed = consume(&world).await;
    assert_eq!(consumed.handled, 3, "they have ended, so they are only acknowledged");
}

/// An index whose part for users can't be read.
struct UsersAway(MemoryTables);

impl PendingEventIndex for UsersAway {
    async fn due(
        &self,
        topic: Topic,
        now: Timestamp,
        limit: usize,
    ) -> Result<DueAggregates, Failure> {
        match topic {
            Topic::Orders => self.0.due(topic, now, limit).await,
            Topic::Users => Err(Failure::new(FailureClass::Throttled, "away on demand")),
        }
    }

    async fn postpone(&self, due: &DueAggregate, until: Timestamp) -> Result<(), Failure> {
        self.0.postpone(due, until).await
    }
}

/// Like an aggregate that newer code stored in another format.
#[tokio::test(start_paused = true)]
async fn an_aggregate_that_cannot_be_read_is_postponed_and_hides_nothing_behind_it() {
    let world = World::default();
    register(&world).await;
    let unreadable = Fault::Refused(FailureClass::Permanent);
    world.tables.script(Operation::FindAggregate, [unreadable]);
    let report = world.sweep_pending().run(Deadline::after(Duration::from_secs(12))).await;
    assert_eq!((report.sent, report.deferred), (0, 1), "it is not read at each look: {report:?}");
    assert_eq!(world.tables.calls(Operation::Postpone), 1);
    world.clock.advance(lifetimes::SWEEP_AFTER);
    assert_eq!(sweep(&world).await.sent, 1);
}

#[tokio::test(start_paused = true)]
async fn an_index_of_users_that_cannot_be_read_holds_up_no_order() {
    let world = orders::create::world();
    register(&world).await;
    world.broker.script(BrokerFault::EndLost, 1);
    orders::create::create(&world, &orders::create::command(2, None)).await.unwrap();
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let Sweep { aggregates, topics, publication, identities, pace, .. } = world.sweep_pending();
    let index = UsersAway(world.tables.clone());
    let sweep = Sweep { index, aggregates, topics, publication, identities, pace };
    let report = sweep.run(Deadline::after(Duration::from_secs(20))).await;
    assert_eq!(report.sent, 1, "{report:?}");
    assert!(report.looks > 0 && report.failed_looks > 0, "{report:?}");
}
