//! Events since a moment are sent again, at a rate.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use application::operations::replay_since::{ReplaySince, ReplayStopped, ReplaySummary};
use application::outcome::FailureClass;
use application::ports::Clock;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{MINUTE, event, publish};
use crate::events::consume;
use crate::orders::create::{command, create, world};

fn replay_since(
    world: &World,
    events_per_second: u32,
) -> ReplaySince<MemoryTables, MemoryBroker, ManualClock, SequentialIdentities> {
    ReplaySince {
        aggregates: world.tables.clone(),
        publication: publish(world),
        identities: world.identities.clone(),
        events_per_second: NonZeroU32::new(events_per_second).unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_by_time_sends_what_came_since_then_at_its_rate_and_in_order() {
    let world = world();
    create(&world, &command(1, None)).await.unwrap();
    consume(&world, MINUTE).await;
    world.clock.advance(MINUTE);
    let since = world.clock.now();
    for _ in 0..10 {
        create(&world, &command(1, None)).await.unwrap();
    }
    consume(&world, MINUTE).await;
    let before = world.broker.visible();
    let counted = replay_since(&world, 2).count(since, |_| {}).await.unwrap();
    let expected = ReplaySummary { aggregates: 11, events: 20, ..ReplaySummary::default() };
    assert_eq!(counted, expected);
    assert_eq!(world.broker.visible(), before, "a dry run sends nothing");
    let (last, started) = (Cell::new(counted), tokio::time::Instant::now());
    let (summary, ended) = replay_since(&world, 2).run(since, |summary| last.set(*summary)).await;
    ended.unwrap();
    assert_eq!(summary, ReplaySummary { sent: 20, ..expected });
    assert_eq!(last.get(), summary);
    let took = started.elapsed();
    assert!((9.4..11.0).contains(&took.as_secs_f64()), "20 events at 2 a second took {took:?}");
    let visible = world.broker.visible();
    let (old, sent) = visible.split_at(before.len());
    let mut versions: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for body in sent {
        assert!(old.contains(body), "byte for byte the same");
        let data = event(body).data;
        versions.entry(data.subject()).or_default().push(data.aggregate_version());
    }
    assert_eq!(versions.len(), 10);
    assert!(versions.values().all(|versions| *versions == [1, 2]), "{versions:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_by_time_outlasts_a_moment_and_stops_when_the_broker_stays_away() {
    let world = world();
    create(&world, &command(1, None)).await.unwrap();
    consume(&world, MINUTE).await;
    let since = world.clock.now().minus(MINUTE * 2);
    world.broker.script(BrokerFault::PrepareFails, 3);
    let (summary, ended) = replay_since(&world, 100).run(since, |_| {}).await;
    ended.unwrap();
    assert_eq!(summary.sent, 2);
    world.broker.script(BrokerFault::PrepareFails, 10_000);
    let (summary, ended) = replay_since(&world, 100).run(since, |_| {}).await;
    assert!(matches!(ended, Err(ReplayStopped::Send { .. })), "{ended:?}");
    assert_eq!(summary.sent, 0);
    world
        .tables
        .fail_every_call(Operation::PageOfAggregates, Fault::Refused(FailureClass::Throttled));
    let unread = replay_since(&world, 100).count(since, |_| {}).await.unwrap_err();
    assert!(matches!(unread, ReplayStopped::Unread(_)), "{unread:?}");
}
