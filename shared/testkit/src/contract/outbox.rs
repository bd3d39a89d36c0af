//! `Outbox`, `UnobservedEvents`, `OverdueEvents`, `OutboxReader` and `PendingEvents`.

use std::time::Duration;

use application::lifetimes;
use application::outcome::{Settled, WriteTry};
use application::ports::{
    ClaimOutcome, DueEvent, IdentitySource, Observations, Outbox, OutboxCopy, OutboxReader,
    OverdueEvents, Pending, PendingEvents, RecordedEvent, UnobservedEvents,
};
use futures::future::join_all;

use super::orders::place;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TakenOrder, taken, user};

/// How long an index may lag behind its table.
const INDEX_LAG: Duration = Duration::from_secs(10);

async fn placed(fixture: &impl TableFixture) -> TakenOrder {
    let order = taken(&SequentialIdentities::default(), user(1), &[(1, 1)], moment(0));
    place(fixture, &order).await;
    order
}

async fn observe(fixture: &impl TableFixture, order: &TakenOrder) {
    let until = moment(0).plus(lifetimes::OBSERVED_EVENT);
    let observed = fixture.observations().observe(&order.inbox("observer"), until, soon()).await;
    assert!(matches!(observed, WriteTry::Done), "{observed:?}");
}

async fn wins(fixture: &impl TableFixture, order: &TakenOrder, expected: u64, until: u64) -> bool {
    let event_id = order.event.message.event_id;
    match fixture.outbox().claim(event_id, moment(expected), moment(until)).await {
        ClaimOutcome::Won => true,
        ClaimOutcome::Lost => false,
        unknown @ ClaimOutcome::Unknown(_) => panic!("{unknown:?}"),
    }
}

/// Whether the outbox becomes as overdue as expected, with all the time that an index may take.
async fn becomes_overdue(fixture: &impl TableFixture, at: u64, grace: u64, expected: bool) -> bool {
    let deadline = tokio::time::Instant::now() + INDEX_LAG;
    loop {
        let grace = Duration::from_secs(grace);
        let overdue = fixture.overdue().any_overdue(moment(at), grace).await.unwrap();
        if overdue == expected || tokio::time::Instant::now() > deadline {
            return overdue == expected;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As its name says.
pub async fn of_twenty_claims_with_one_expected_time_at_most_one_wins(fixture: &impl TableFixture) {
    let order = placed(fixture).await;
    let outbox = fixture.outbox();
    let event_id = order.event.message.event_id;
    let claim = |_| outbox.claim(event_id, moment(60), moment(120));
    let claims = join_all((0..20).map(claim)).await;
    let won = claims.iter().filter(|claim| matches!(claim, ClaimOutcome::Won)).count();
    assert_eq!(won, 1, "{claims:?}");
}

/// As its name says.
pub async fn a_claim_moves_the_time_at_which_the_next_is_expected(fixture: &impl TableFixture) {
    let order = placed(fixture).await;
    assert!(!wins(fixture, &order, 61, 120).await);
    assert!(wins(fixture, &order, 60, 120).await);
    assert!(!wins(fixture, &order, 60, 180).await);
    assert!(wins(fixture, &order, 120, 180).await);
}

/// As its name says.
pub async fn an_event_that_is_not_there_or_observed_can_not_be_claimed(
    fixture: &impl TableFixture,
) {
    let absent = taken(&SequentialIdentities::default(), user(1), &[(1, 1)], moment(0));
    assert!(!wins(fixture, &absent, 60, 120).await);
    let order = placed(fixture).await;
    observe(fixture, &order).await;
    assert!(!wins(fixture, &order, 60, 120).await);
}

/// As its name says.
pub async fn marking_an_event_published_twice_changes_nothing(fixture: &impl TableFixture) {
    let mut order = taken(&SequentialIdentities::default(), user(1), &[(1, 1)], moment(0));
    order.event.unpublished = true;
    let outbox = fixture.outbox();
    let (event_id, attempt) = (order.event.message.event_id, order.event.transaction_id);
    let marked = async || outbox.mark_published(event_id, attempt).await;
    assert!(matches!(marked().await, Settled::Done), "it isn't there yet");
    place(fixture, &order).await;
    for _ in 0..2 {
        assert!(matches!(marked().await, Settled::Done));
    }
    assert!(wins(fixture, &order, 60, 120).await, "the sweep still looks after it");
}

/// As its name says: a redrive has made another attempt of the event meanwhile.
pub async fn marking_an_event_published_leaves_another_attempts_mark(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let mut order = taken(&identities, user(1), &[(1, 1)], moment(0));
    order.event.unpublished = true;
    place(fixture, &order).await;
    let (event_id, another) = (order.event.message.event_id, identities.transaction_id());
    let marked = fixture.outbox().mark_published(event_id, another).await;
    assert!(matches!(marked, Settled::Done), "there is nothing of its own to mark");
    let found = fixture.unobserved().find(event_id).await.unwrap();
    assert!(found.is_some_and(|event| event.unpublished));
}

/// What is due, once as much of it is told as expected, with all the time that an index may take.
async fn due(fixture: &impl TableFixture, at: u64, limit: usize, expected: usize) -> Vec<DueEvent> {
    let deadline = tokio::time::Instant::now() + INDEX_LAG;
    loop {
        let due = fixture.unobserved().due(moment(at), limit).await.unwrap().events;
        if due.len() >= expected || tokio::time::Instant::now() > deadline {
            return due;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As its name says.
pub async fn what_is_due_is_told_the_earliest_first(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    for taken_at in [30, 0, 20, 10, 90] {
        place(fixture, &taken(&identities, user(1), &[(1, 1)], moment(taken_at))).await;
    }
    let told: Vec<_> = due(fixture, 90, 256, 4).await.iter().map(|due| due.sweep_due).collect();
    assert_eq!(told, [60, 70, 80, 90].map(moment), "the last is due at 150");
    assert!(fixture.unobserved().due(moment(59), 256).await.unwrap().events.is_empty());
}

/// As its name says: more than one look tells, in more than one shard.
pub async fn every_due_event_comes_up_once_those_before_it_are_claimed(
    fixture: &impl TableFixture,
) {
    const EVENTS: usize = 100;
    let identities = SequentialIdentities::default();
    for _ in 0..EVENTS {
        place(fixture, &taken(&identities, user(1), &[(1, 1)], moment(0))).await;
    }
    let outbox = fixture.outbox();
    let mut claimed = 0;
    let deadline = tokio::time::Instant::now() + INDEX_LAG;
    while claimed < EVENTS {
        assert!(tokio::time::Instant::now() < deadline, "{claimed} of {EVENTS} came up");
        for due in fixture.unobserved().due(moment(60), 16).await.unwrap().events {
            let claim = outbox.claim(due.event_id, due.sweep_due, moment(120)).await;
            claimed += usize::from(matches!(claim, ClaimOutcome::Won));
        }
    }
}

/// As its name says.
pub async fn an_event_is_found_as_it_was_recorded_until_it_is_observed(
    fixture: &impl TableFixture,
) {
    let unobserved = fixture.unobserved();
    let identities = SequentialIdentities::default();
    for unpublished in [false, true] {
        let mut order = taken(&identities, user(1), &[(1, 1)], moment(0));
        order.event.unpublished = unpublished;
        let (event_id, attempt) = (order.event.message.event_id, order.event.transaction_id);
        assert_eq!(unobserved.find(event_id).await.unwrap(), None, "it isn't there yet");
        place(fixture, &order).await;
        assert_eq!(unobserved.find(event_id).await.unwrap().as_ref(), Some(&order.event));
        assert!(wins(fixture, &order, 60, 120).await);
        assert!(matches!(fixture.outbox().mark_published(event_id, attempt).await, Settled::Done));
        order.event.sweep_due = moment(120);
        order.event.unpublished = false;
        assert_eq!(unobserved.find(event_id).await.unwrap().as_ref(), Some(&order.event));
        observe(fixture, &order).await;
        assert_eq!(unobserved.find(event_id).await.unwrap(), None);
    }
}

/// As its name says.
pub async fn an_event_is_overdue_until_it_is_observed(fixture: &impl TableFixture) {
    assert!(becomes_overdue(fixture, 1_000, 0, false).await, "there is none");
    let order = placed(fixture).await;
    assert!(becomes_overdue(fixture, 121, 60, true).await);
    assert!(becomes_overdue(fixture, 120, 60, false).await, "not more than the grace");
    observe(fixture, &order).await;
    assert!(becomes_overdue(fixture, 1_000, 60, false).await);
}

/// As its name says.
pub async fn a_copy_is_found_whether_or_not_it_was_observed(fixture: &impl TableFixture) {
    let copies = fixture.outbox_reader();
    let mut order = taken(&SequentialIdentities::default(), user(1), &[(1, 1)], moment(0));
    order.event.unpublished = true;
    let event_id = order.event.message.event_id;
    assert_eq!(copies.find(event_id).await.unwrap(), None, "it isn't there yet");
    place(fixture, &order).await;
    let pending = Pending { unpublished: true, sweep_due: moment(60) };
    let expected = OutboxCopy {
        message: order.event.message.clone(),
        transaction_id: order.event.transaction_id,
        recorded_at: moment(0),
        pending: Some(pending),
    };
    assert_eq!(copies.find(event_id).await.unwrap(), Some(expected.clone()));
    assert_eq!(fixture.expiry_of_copy(event_id).await, None);
    observe(fixture, &order).await;
    let observed = OutboxCopy { pending: None, ..expected };
    assert_eq!(copies.find(event_id).await.unwrap(), Some(observed));
    let until = moment(0).plus(lifetimes::OBSERVED_EVENT);
    assert_eq!(fixture.expiry_of_copy(event_id).await, Some(until));
}

/// All pages of what the sweep looks after.
async fn pending(fixture: &impl TableFixture) -> Vec<RecordedEvent> {
    let events = fixture.pending();
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = events.page(after).await.unwrap();
        assert_eq!(page.unreadable, 0);
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// As its name says, due or not, and none that was observed.
pub async fn the_pages_tell_every_event_that_no_consumer_has_seen(fixture: &impl TableFixture) {
    assert_eq!(pending(fixture).await, []);
    let identities = SequentialIdentities::default();
    let mut expected = Vec::new();
    for taken_at in 0..100 {
        let order = taken(&identities, user(1), &[(1, 1)], moment(taken_at));
        place(fixture, &order).await;
        if taken_at % 10 == 0 {
            observe(fixture, &order).await;
        } else {
            expected.push(order.event);
        }
    }
    let deadline = tokio::time::Instant::now() + INDEX_LAG;
    loop {
        let mut told = pending(fixture).await;
        told.sort_by_key(|event| event.message.event_id);
        if told == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{} of 90 are told", told.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
