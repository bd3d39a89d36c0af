//! `PendingEventAges`, `PendingAggregates` and `StoredAggregates`.

use std::collections::BTreeSet;
use std::time::Duration;

use application::ports::Topic;
use application::ports::aggregates::{Segment, StoredAggregates};
use application::ports::pending::{
    DueAggregate, PendingAggregates, PendingEventAges, PendingEventIndex,
};
use domain::aggregate::AggregateKey;

use super::aggregates::{change, create, end, fence, new_order, until};
use super::users::{log_in, register};
use super::{TableFixture, moment};
use crate::identities::SequentialIdentities;

const MINUTE: Duration = Duration::from_secs(60);

async fn pending_aggregates(fixture: &impl TableFixture) -> Vec<AggregateKey> {
    let reader = fixture.aggregate_reads();
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = PendingAggregates::page(&reader, after).await.unwrap();
        assert_eq!(page.unreadable, 0);
        keys.extend(page.items);
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
}

pub async fn an_event_is_pending_since_its_own_time_wherever_the_sweep_has_moved_it(
    fixture: &impl TableFixture,
) {
    let reader = fixture.aggregate_reads();
    assert!(!reader.any_pending_before(moment(1_000)).await.unwrap());
    let identities = SequentialIdentities::default();
    let stored = create(fixture, &new_order(&identities, &[(1, 2)], moment(5))).await;
    let due = DueAggregate { key: stored.key(), due: moment(5).plus(MINUTE) };
    fixture.aggregates().postpone(&due, moment(900)).await.unwrap();
    assert!(!reader.any_pending_before(moment(5)).await.unwrap());
    assert!(reader.any_pending_before(moment(6)).await.unwrap());
    change(fixture, end(&stored, stored.created_event(), moment(7))).await;
    assert!(!reader.any_pending_before(moment(1_000)).await.unwrap());
    register(fixture, &identities, "demo@example.com").await;
    assert!(reader.any_pending_before(moment(1)).await.unwrap(), "users' events count as well");
}

pub async fn the_pages_list_every_aggregate_with_pending_events(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let mut expected = BTreeSet::new();
    for second in 0..10 {
        let stored = create(fixture, &new_order(&identities, &[(1, 1)], moment(second))).await;
        if second % 3 == 0 {
            change(fixture, end(&stored, stored.created_event(), moment(20))).await;
        } else {
            expected.insert(stored.key());
        }
    }
    let user = register(fixture, &identities, "demo@example.com").await;
    expected.insert(AggregateKey::Account { user_id: user.account.user_id() });
    let named = pending_aggregates(fixture).await;
    assert_eq!(named.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(named), expected);
}

pub async fn the_segments_list_every_aggregate_once_and_no_tombstone(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let mut expected = Vec::new();
    for second in 0..10 {
        expected.push(create(fixture, &new_order(&identities, &[(1, 1)], moment(second))).await);
    }
    let fenced = new_order(&identities, &[(1, 1)], moment(0));
    let _fenced = fence(fixture, fenced.order(), fenced.attempt(), until()).await;
    let user = register(fixture, &identities, "demo@example.com").await;
    let login = log_in(fixture, &identities, &user.account, "token").await;
    let reader = fixture.aggregate_reads();
    let mut found = Vec::new();
    for segment in Topic::ALL
        .into_iter()
        .flat_map(|topic| (0..3).map(move |index| Segment { topic, index, count: 3 }))
    {
        let mut after = None;
        loop {
            let page = StoredAggregates::page(&reader, segment, after).await.unwrap();
            assert_eq!(page.unreadable, 0);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let mut found: Vec<_> = found.iter().map(|stored| (stored.key(), stored.events())).collect();
    let mut expected: Vec<_> =
        expected.iter().map(|stored| (stored.key(), vec![stored.created_event()])).collect();
    let (account, session) = (user.account.user_id(), login.session.id());
    expected.push((AggregateKey::Account { user_id: account }, vec![user.event.stamp.event_id]));
    expected
        .push((AggregateKey::Session { session_id: session }, vec![login.event.stamp.event_id]));
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
