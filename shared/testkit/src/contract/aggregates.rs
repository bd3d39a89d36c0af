//! `OrderCreation`, `OrderKeys`, `Fences`, `PendingEventStore`, `Reservations`, `StockReturns`,
//! `PendingEventIndex` and `DeadLetterMoves`.

use std::collections::BTreeMap;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::lifetimes;
use application::outcome::{FailureClass, ItemReason, WriteTry};
use application::ports::pending::{
    AggregateChange, DueAggregate, IndexChange, OrderChange, PendingEventIndex, PendingEventStore,
};
use application::ports::stock::{
    ReservationCancelled, Reservations, Returning, StockReturns, Taking,
};
use application::ports::{
    DeadLetter, DeadLetterMoves, DeadLetterReader, Fences, IdentitySource, MessageId,
    OrderCreation, OrderKeys, Topic,
};
use domain::event::EventStamp;
use domain::identity::{EventId, ProductId, TransactionId};
use domain::money::Money;
use domain::order::{AtKey, FENCED_MAX, NewOrder, OpenCount, OpenPeriod, Order, StoredOrder};
use domain::pending::{PendingEvent, PendingEvents, Publication, Rank};
use domain::timestamp::Timestamp;
use futures::future::join_all;

use super::fixture::settled;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TRACEPARENT, UNIT_PRICE, dead_letter, lines, product, product_id, user};

const MINUTE: Duration = Duration::from_secs(60);

/// An order that is not stored yet, with an event that is due a minute after `at`.
pub(super) fn new_order(
    identities: &impl IdentitySource,
    products: &[(u64, u64)],
    at: Timestamp,
) -> NewOrder {
    let price = |_| Money::from_minor(UNIT_PRICE);
    let event = EventStamp {
        event_id: identities.event_id(),
        schema_version: contracts::event::SCHEMA_VERSION,
        traceparent: Some(TRACEPARENT.to_owned()),
    };
    let order_id = identities.order_id();
    let lines = lines(products);
    let (order, _) = Order::create(order_id, user(123), &lines, price, at, event).unwrap();
    let attempt = identities.transaction_id();
    NewOrder::new(order, attempt, PendingEvent::sent(attempt, at, at.plus(MINUTE)))
}

fn by_another_attempt(identities: &impl IdentitySource, new: &NewOrder) -> NewOrder {
    let attempt = identities.transaction_id();
    let at = new.order().created_at();
    NewOrder::new(new.order().clone(), attempt, PendingEvent::sent(attempt, at, at.plus(MINUTE)))
}

pub(super) async fn create(fixture: &impl TableFixture, new: &NewOrder) -> StoredOrder {
    let created = fixture.order_keys().create(new, soon()).await;
    assert!(matches!(created, WriteTry::Done), "{created:?}");
    new.clone().into_stored()
}

async fn refused(fixture: &impl TableFixture, new: &NewOrder) -> AtKey {
    match fixture.order_keys().create(new, soon()).await {
        WriteTry::Cancelled(found) => found,
        other => panic!("{other:?}"),
    }
}

async fn at_key(fixture: &impl TableFixture, order: &Order) -> AtKey {
    fixture.order_keys().at_key(order.user_id(), order.id()).await.unwrap()
}

async fn found(fixture: &impl TableFixture, order: &Order) -> StoredOrder {
    let found = fixture.aggregates().find(order.key()).await.unwrap();
    let Some(StoredAggregate::Order(stored)) = found else { panic!("{found:?}") };
    stored
}

pub(super) async fn fence(
    fixture: &impl TableFixture,
    order: &Order,
    attempt: TransactionId,
    until: Timestamp,
) -> WriteTry<()> {
    fixture.order_keys().fence(order.user_id(), order.id(), attempt, until).await
}

pub(super) fn until() -> Timestamp {
    moment(0).plus(lifetimes::TOMBSTONE)
}

/// Confirms an order: its first event has ended, and the event of the confirmation is pending.
fn confirmation<'a>(
    stored: &'a StoredOrder,
    follow_up: EventId,
    publication: TransactionId,
    at: Timestamp,
) -> OrderChange<'a> {
    let stamp = EventStamp::untraced(follow_up, 1);
    let (after, _) = stored.order.undecided().unwrap().confirm(at, stamp);
    let mut pending = stored.pending.clone();
    pending.remove(stored.created_event());
    pending.put(follow_up, PendingEvent::sent(publication, at, at.plus(MINUTE)));
    OrderChange {
        before: stored,
        reached: Some(after.history().latest().clone()),
        notified: Some((stored.created_event(), at)),
        index: IndexChange::between(&stored.pending, &pending),
        pending,
    }
}

/// The end of an event, with its notification.
pub(super) fn end(stored: &StoredOrder, event_id: EventId, at: Timestamp) -> OrderChange<'_> {
    let mut pending = stored.pending.clone();
    pending.remove(event_id).unwrap();
    let index = IndexChange::between(&stored.pending, &pending);
    OrderChange { before: stored, reached: None, notified: Some((event_id, at)), pending, index }
}

pub(super) async fn change(fixture: &impl TableFixture, change: OrderChange<'_>) {
    let changed = fixture.aggregates().change(&change.into(), soon()).await;
    assert!(matches!(changed, WriteTry::Done), "{changed:?}");
}

async fn due(fixture: &impl TableFixture, now: Timestamp) -> Vec<DueAggregate> {
    fixture.aggregates().due(Topic::Orders, now, 1_000).await.unwrap().aggregates
}

pub async fn a_created_order_is_found_with_its_attempt_and_what_is_pending(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    for pending in [PendingEvent::sent, |attempt, since, _| PendingEvent::unsent(attempt, since)] {
        let new = new_order(&identities, &[(1, 2), (7, 3)], moment(0));
        let pending = pending(new.attempt(), moment(1), moment(61));
        let new = NewOrder::new(new.order().clone(), new.attempt(), pending);
        let stored = create(fixture, &new).await;
        assert_eq!(found(fixture, new.order()).await, stored);
        assert_eq!(at_key(fixture, new.order()).await, AtKey::from(stored));
    }
}

pub async fn an_unused_key_holds_nothing(fixture: &impl TableFixture) {
    let new = new_order(&SequentialIdentities::default(), &[(1, 1)], moment(0));
    assert_eq!(at_key(fixture, new.order()).await, AtKey::Absent);
    assert_eq!(fixture.aggregates().find(new.order().key()).await.unwrap(), None);
}

pub async fn another_users_order_looks_like_a_missing_one(fixture: &impl TableFixture) {
    let new = new_order(&SequentialIdentities::default(), &[(1, 1)], moment(0));
    create(fixture, &new).await;
    let found = fixture.order_keys().at_key(user(124), new.order().id()).await.unwrap();
    assert_eq!(found, AtKey::Absent);
}

/// Whatever status the order has reached.
pub async fn a_put_never_changes_a_stored_order(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let mut stored = create(fixture, &new).await;
    let (follow_up, publication) = (identities.event_id(), identities.transaction_id());
    for round in 0..2 {
        for again in [new.clone(), by_another_attempt(&identities, &new)] {
            assert_eq!(refused(fixture, &again).await, AtKey::from(stored.clone()), "{round}");
            assert_eq!(found(fixture, new.order()).await, stored, "{round}");
        }
        if round == 0 {
            change(fixture, confirmation(&stored, follow_up, publication, moment(5))).await;
            stored = found(fixture, new.order()).await;
        }
    }
}

pub async fn of_twenty_attempts_at_once_one_creates_the_order(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let attempts: Vec<_> = (0..20).map(|_| by_another_attempt(&identities, &new)).collect();
    let keys = fixture.order_keys();
    let puts = join_all(attempts.iter().map(|new| keys.create(new, soon()))).await;
    let done: Vec<_> = (0..20).filter(|n| matches!(puts[*n], WriteTry::Done)).collect();
    assert_eq!(done.len(), 1, "{puts:?}");
    assert_eq!(found(fixture, new.order()).await.attempt, attempts[done[0]].attempt());
}

pub async fn a_fenced_attempt_creates_nothing_and_another_one_does(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let fenced = fence(fixture, new.order(), new.attempt(), until()).await;
    assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
    let AtKey::Tombstone(tombstone) = refused(fixture, &new).await else { panic!("no tombstone") };
    assert!(tombstone.holds(new.attempt()));
    let another = by_another_attempt(&identities, &new);
    create(fixture, &another).await;
    assert_eq!(found(fixture, new.order()).await.attempt, another.attempt());
}

pub async fn a_fence_adds_to_those_before_it(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let first = new_order(&identities, &[(1, 2)], moment(0));
    let second = by_another_attempt(&identities, &first);
    for _ in 0..2 {
        for new in [&first, &second] {
            let fenced = fence(fixture, new.order(), new.attempt(), until()).await;
            assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
        }
    }
    for new in [&first, &second] {
        let AtKey::Tombstone(tombstone) = refused(fixture, new).await else { panic!("created") };
        assert!(tombstone.holds(first.attempt()) && tombstone.holds(second.attempt()));
    }
}

/// No read returns a tombstone as an order, and no change is stored in it.
pub async fn a_tombstone_is_no_order(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let fenced = fence(fixture, new.order(), identities.transaction_id(), until()).await;
    assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
    assert_eq!(fixture.aggregates().find(new.order().key()).await.unwrap(), None);
    let stored = new.clone().into_stored();
    let changed = end(&stored, stored.created_event(), moment(1));
    let changed = fixture.aggregates().change(&changed.into(), soon()).await;
    assert!(matches!(changed, WriteTry::Cancelled(None)), "{changed:?}");
    let claimed = DueAggregate { key: new.order().key(), due: moment(60) };
    fixture.aggregates().postpone(&claimed, moment(120)).await.unwrap();
    assert_eq!(due(fixture, moment(1_000)).await, []);
}

pub async fn no_attempt_is_fenced_where_an_order_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    let fenced = fence(fixture, new.order(), identities.transaction_id(), until()).await;
    assert!(matches!(fenced, WriteTry::Cancelled(())), "{fenced:?}");
    assert_eq!(found(fixture, new.order()).await, stored);
    // With a fence in the order, the next put would treat it as a tombstone.
    let another = by_another_attempt(&identities, &new);
    assert_eq!(refused(fixture, &another).await, AtKey::from(stored));
}

pub async fn of_a_fence_and_a_put_at_once_one_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    for _ in 0..20 {
        let new = new_order(&identities, &[(1, 2)], moment(0));
        let keys = fixture.order_keys();
        let (put, fenced) = futures::join!(
            keys.create(&new, soon()),
            fence(fixture, new.order(), new.attempt(), until()),
        );
        match (put, fenced) {
            (WriteTry::Done, WriteTry::Cancelled(())) => {
                assert!(matches!(at_key(fixture, new.order()).await, AtKey::Created { .. }));
            }
            (WriteTry::Cancelled(_), WriteTry::Done) => {
                assert!(matches!(at_key(fixture, new.order()).await, AtKey::Tombstone(_)));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub async fn a_full_tombstone_accepts_no_further_attempt(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let attempts: Vec<_> = (0..FENCED_MAX).map(|_| identities.transaction_id()).collect();
    for attempt in &attempts {
        let fenced = fence(fixture, new.order(), *attempt, until()).await;
        assert!(matches!(fenced, WriteTry::Done), "{fenced:?}");
    }
    let full = fence(fixture, new.order(), new.attempt(), until()).await;
    assert!(matches!(full, WriteTry::Cancelled(())), "{full:?}");
    let known = fence(fixture, new.order(), attempts[0], until()).await;
    assert!(matches!(known, WriteTry::Done), "{known:?}");
    create(fixture, &new).await;
}

pub async fn a_change_is_stored_once_and_raises_the_revision(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2), (7, 1)], moment(0));
    let stored = create(fixture, &new).await;
    let (follow_up, publication) = (identities.event_id(), identities.transaction_id());
    let confirmed = confirmation(&stored, follow_up, publication, moment(5));
    change(fixture, confirmed.clone()).await;
    let after = found(fixture, new.order()).await;
    assert_eq!(after.revision, stored.revision + 1);
    assert_eq!(after.attempt, stored.attempt);
    assert_eq!(after.pending, confirmed.pending);
    assert_eq!(after.order.history().latest(), confirmed.reached.as_ref().unwrap());
    let notified: Vec<_> =
        after.order.notifications().iter().map(|n| (n.aggregate_version, n.at)).collect();
    assert_eq!(notified, [(1, moment(5))]);
    match fixture.aggregates().change(&confirmed.into(), soon()).await {
        WriteTry::Cancelled(Some(StoredAggregate::Order(found))) => assert_eq!(found, after),
        other => panic!("{other:?}"),
    }
    assert_eq!(found(fixture, new.order()).await, after);
}

pub async fn of_twenty_changes_at_once_one_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    let made: Vec<_> =
        (0..20).map(|_| (identities.event_id(), identities.transaction_id())).collect();
    let changes: Vec<_> = made
        .iter()
        .map(|(event_id, publication)| {
            confirmation(&stored, *event_id, *publication, moment(5)).into()
        })
        .collect();
    let aggregates = fixture.aggregates();
    let changed = join_all(changes.iter().map(|change| aggregates.change(change, soon()))).await;
    let done = changed.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!(done, 1, "{changed:?}");
    assert_eq!(found(fixture, new.order()).await.order.version(), 2);
}

/// Every field of an entry is set.
pub async fn pending_events_are_read_as_they_were_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    let mut pending = stored.pending.clone();
    let entry = PendingEvent {
        since: moment(9),
        transaction_id: identities.transaction_id(),
        publication: Publication::Found,
        published_at: moment(12),
        due: moment(99),
        done_by: ["counter".to_owned(), "other".to_owned()].into(),
        failures: 7,
        copies: 2,
        unanswered_since: Some(moment(50)),
    };
    pending.put(stored.created_event(), entry);
    let index = IndexChange::at(&pending);
    let change_of =
        |before, pending| OrderChange { before, reached: None, notified: None, pending, index };
    change(fixture, change_of(&stored, pending.clone())).await;
    let after = found(fixture, new.order()).await;
    assert_eq!(after.pending, pending);
    // And back: fields that an entry no longer has are removed.
    change(fixture, change_of(&after, stored.pending.clone())).await;
    assert_eq!(found(fixture, new.order()).await.pending, stored.pending);
}

pub async fn an_order_leaves_the_index_with_its_last_event(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    let key = new.order().key();
    assert_eq!(due(fixture, moment(59)).await, []);
    assert_eq!(due(fixture, moment(60)).await, [DueAggregate { key, due: moment(60) }]);
    let (follow_up, publication) = (identities.event_id(), identities.transaction_id());
    change(fixture, confirmation(&stored, follow_up, publication, moment(5))).await;
    assert_eq!(due(fixture, moment(60)).await.len(), 1, "the next event is pending");
    let confirmed = found(fixture, new.order()).await;
    change(fixture, end(&confirmed, follow_up, moment(6))).await;
    assert_eq!(due(fixture, moment(1_000)).await, []);
    assert!(found(fixture, new.order()).await.pending.is_empty());
}

/// One event that is stored again returns the aggregate to the index.
pub async fn an_aggregate_returns_to_the_index_with_a_new_pending_event(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    change(fixture, end(&stored, stored.created_event(), moment(6))).await;
    let ended = found(fixture, new.order()).await;
    let mut pending = ended.pending.clone();
    pending
        .put(stored.created_event(), PendingEvent::unsent(identities.transaction_id(), moment(70)));
    let index = IndexChange::between(&ended.pending, &pending);
    let again = OrderChange { before: &ended, reached: None, notified: None, pending, index };
    change(fixture, again).await;
    let key = new.order().key();
    assert_eq!(due(fixture, moment(70)).await, [DueAggregate { key, due: moment(70) }]);
}

pub async fn due_aggregates_are_listed_by_rank_and_then_the_earliest_first(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let mut expected = Vec::new();
    for (rank, seconds) in
        [(Rank::Second, 5), (Rank::First, 30), (Rank::Second, 1), (Rank::First, 7)]
    {
        let new = new_order(&identities, &[(1, 1)], moment(seconds));
        let stored = create(fixture, &new).await;
        let due = moment(seconds).plus(MINUTE);
        if rank == Rank::Second {
            let created = stored.created_event();
            let mut pending = stored.pending.clone();
            let entry = pending.remove(created).unwrap();
            pending.put(created, PendingEvent { publication: Publication::Found, ..entry });
            let index = IndexChange::at(&pending);
            assert_eq!(index, IndexChange::Move { due, rank });
            let found =
                OrderChange { before: &stored, reached: None, notified: None, pending, index };
            change(fixture, found).await;
        }
        expected.push((rank, DueAggregate { key: new.order().key(), due }));
    }
    expected.sort_by_key(|(rank, aggregate)| (*rank, aggregate.due));
    let expected: Vec<_> = expected.into_iter().map(|(_, aggregate)| aggregate).collect();
    assert_eq!(due(fixture, moment(1_000)).await, expected);
}

pub async fn every_due_aggregate_comes_up_once_those_before_it_are_postponed(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let mut missing = std::collections::BTreeSet::new();
    for _ in 0..150 {
        let new = new_order(&identities, &[(1, 1)], moment(0));
        create(fixture, &new).await;
        missing.insert(new.order().key());
    }
    let aggregates = fixture.aggregates();
    for _ in 0..150 {
        let found = aggregates.due(Topic::Orders, moment(60), 10).await.unwrap();
        if found.aggregates.is_empty() {
            break;
        }
        for due in found.aggregates {
            missing.remove(&due.key);
            aggregates.postpone(&due, moment(1_000)).await.unwrap();
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// Claims all pending events, on the condition that the index entry is as expected.
fn claim(stored: &StoredOrder, expected: Timestamp, until: Timestamp) -> OrderChange<'_> {
    let entries = stored.pending.iter();
    let pending: PendingEvents =
        entries.map(|(id, entry)| (id, PendingEvent { due: until, ..entry.clone() })).collect();
    let index = IndexChange::Claim { expected, due: until, rank: pending.rank() };
    OrderChange { before: stored, reached: None, notified: None, pending, index }
}

pub async fn of_twenty_claims_with_one_expectation_one_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    let aggregates = fixture.aggregates();
    let first = claim(&stored, moment(60), moment(120)).into();
    let claims = join_all((0..20).map(|_| aggregates.change(&first, soon()))).await;
    let done = claims.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!(done, 1, "{claims:?}");
    let claimed = found(fixture, new.order()).await;
    assert_eq!(due(fixture, moment(119)).await, []);
    // Later than the claim, but with the index entry from before it.
    let stale = claim(&claimed, moment(60), moment(180)).into();
    let tried = aggregates.change(&stale, soon()).await;
    assert!(matches!(tried, WriteTry::Cancelled(Some(_))), "{tried:?}");
    change(fixture, claim(&claimed, moment(120), moment(180))).await;
    let claimed = found(fixture, new.order()).await;
    change(fixture, end(&claimed, claimed.created_event(), moment(3))).await;
    let handled = found(fixture, new.order()).await;
    let gone = claim(&claimed, moment(180), moment(240)).into();
    let tried = aggregates.change(&gone, soon()).await;
    assert!(matches!(tried, WriteTry::Cancelled(Some(_))), "{tried:?}");
    assert_eq!(found(fixture, new.order()).await, handled);
}

/// The aggregate itself is not changed.
pub async fn an_entry_is_postponed_if_it_is_where_it_was_seen(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let stored = create(fixture, &new).await;
    let seen = DueAggregate { key: new.order().key(), due: moment(60) };
    for (expected, until) in [(59, 90), (60, 120), (60, 180)] {
        let seen = DueAggregate { due: moment(expected), ..seen };
        fixture.aggregates().postpone(&seen, moment(until)).await.unwrap();
    }
    assert_eq!(due(fixture, moment(119)).await, []);
    assert_eq!(due(fixture, moment(120)).await, [DueAggregate { due: moment(120), ..seen }]);
    assert_eq!(found(fixture, new.order()).await, stored);
}

/// A stored order, with the two identifiers that its confirmation needs.
async fn waiting(
    fixture: &impl TableFixture,
    identities: &impl IdentitySource,
    products: &[(u64, u64)],
) -> (StoredOrder, EventId, TransactionId) {
    let stored = create(fixture, &new_order(identities, products, moment(0))).await;
    (stored, identities.event_id(), identities.transaction_id())
}

fn quantities(products: &[(u64, u32)]) -> BTreeMap<ProductId, u32> {
    products.iter().map(|(product, quantity)| (product_id(*product), *quantity)).collect()
}

fn taking(products: &[(u64, u32)]) -> Taking {
    Taking { stock: quantities(products), ..Taking::default() }
}

fn returning(products: &[(u64, u32)]) -> Returning {
    Returning { stock: quantities(products), open: None }
}

/// The count of user 123 in the period of the suites' time.
fn count() -> OpenCount {
    OpenCount { user_id: user(123), period: OpenPeriod::of(moment(0)) }
}

fn counting(products: &[(u64, u32)], open_max: u32) -> Taking {
    let units = products.iter().map(|(_, quantity)| quantity).sum();
    Taking { stock: quantities(products), open: [(count(), units)].into(), open_max }
}

/// The count, as a refused write that adds nothing to it reports it; `None` before the first unit.
pub(crate) async fn open_units(fixture: &impl TableFixture, count: OpenCount) -> Option<u32> {
    let too_many = Taking { open: [(count, 1)].into(), ..Taking::default() };
    let tried =
        settled(async || fixture.aggregates().reserve(&[], &too_many, soon()).await, is_any_busy);
    match tried.await {
        WriteTry::Cancelled(cancelled) => cancelled.open[&count].found().copied(),
        other => panic!("{other:?}"),
    }
}

/// A busy item leads to another try, because the result of its condition is not reported.
fn is_any_busy(cancelled: &ReservationCancelled) -> bool {
    cancelled.orders.iter().any(ItemReason::is_busy)
        || cancelled.stock.values().chain(cancelled.open.values()).any(ItemReason::is_busy)
}

pub async fn a_reservation_takes_stock_and_changes_every_order_or_nothing(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 10), product(7, 10)]).await;
    let orders = [
        waiting(fixture, &identities, &[(1, 2), (7, 3)]).await,
        waiting(fixture, &identities, &[(1, 4)]).await,
    ];
    let changes: Vec<_> = orders
        .iter()
        .map(|(stored, event_id, publication)| {
            confirmation(stored, *event_id, *publication, moment(5))
        })
        .collect();
    let aggregates = fixture.aggregates();
    let reserved = aggregates.reserve(&changes, &taking(&[(1, 6), (7, 3)]), soon()).await;
    assert!(matches!(reserved, WriteTry::Done), "{reserved:?}");
    let stock = (fixture.stock_of(product_id(1)).await, fixture.stock_of(product_id(7)).await);
    assert_eq!(stock, (Some(4), Some(7)));
    for (change, (stored, ..)) in changes.iter().zip(&orders) {
        let after = found(fixture, &stored.order).await;
        assert_eq!((after.order.version(), &after.pending), (2, &change.pending));
    }
    // A second try finds the orders as the first one stored them, and reserves nothing.
    match aggregates.reserve(&changes, &taking(&[(1, 1)]), soon()).await {
        WriteTry::Cancelled(cancelled) => {
            for (reason, (stored, ..)) in cancelled.orders.iter().zip(&orders) {
                let after = found(fixture, &stored.order).await;
                assert_eq!(reason.found(), Some(&after));
            }
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.stock_of(product_id(1)).await, Some(4));
}

pub async fn a_stock_that_is_too_small_is_reported_and_nothing_is_stored(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 10), product(7, 2)]).await;
    let (stored, event_id, publication) =
        waiting(fixture, &identities, &[(1, 2), (7, 3), (8, 1)]).await;
    let changes = [confirmation(&stored, event_id, publication, moment(5))];
    let tried =
        fixture.aggregates().reserve(&changes, &taking(&[(1, 2), (7, 3), (8, 1)]), soon()).await;
    let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
    assert_eq!(cancelled.stock.get(&product_id(7)), Some(&ItemReason::ConditionFailed(Some(2))));
    let missing = cancelled.stock.get(&product_id(8));
    assert_eq!(missing, Some(&ItemReason::ConditionFailed(None)), "the product does not exist");
    assert!(!cancelled.orders[0].condition_failed());
    assert_eq!(found(fixture, &stored.order).await, stored);
    assert_eq!(fixture.stock_of(product_id(1)).await, Some(10));
}

pub async fn reservations_at_once_never_take_more_than_there_is(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 7)]).await;
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(waiting(fixture, &identities, &[(1, 2)]).await);
    }
    let reserving = orders.iter().map(async |(stored, event_id, publication)| {
        let changes = [confirmation(stored, *event_id, *publication, moment(5))];
        let reserve =
            async || fixture.aggregates().reserve(&changes, &taking(&[(1, 2)]), soon()).await;
        settled(reserve, is_any_busy).await
    });
    let tried = join_all(reserving).await;
    let done = tried.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!((done, fixture.stock_of(product_id(1)).await), (3, Some(1)), "{tried:?}");
}

pub async fn the_largest_order_is_reserved_in_one_write(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let ordered: Vec<_> = (1..=50).map(|product| (product, 999)).collect();
    let products: Vec<_> = ordered.iter().map(|(id, _)| product(*id, 999)).collect();
    fixture.put_products(&products).await;
    let (stored, event_id, publication) = waiting(fixture, &identities, &ordered).await;
    let changes = [confirmation(&stored, event_id, publication, moment(5))];
    let all: Vec<_> = (1..=50).map(|product| (product, 999)).collect();
    let reserved = fixture.aggregates().reserve(&changes, &taking(&all), soon()).await;
    assert!(matches!(reserved, WriteTry::Done), "{reserved:?}");
    assert_eq!(fixture.stock_of(product_id(50)).await, Some(0));
}

pub async fn a_reservation_that_fits_no_transaction_is_refused_for_good(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let products: Vec<_> = (1..=100).map(|id| product(id, 10)).collect();
    fixture.put_products(&products).await;
    let (stored, event_id, publication) = waiting(fixture, &identities, &[(1, 1)]).await;
    let change = || confirmation(&stored, event_id, publication, moment(5));
    let all: Vec<_> = (1..=100).map(|id| (id, 1)).collect();
    let cases = [(vec![change()], &all[..]), (vec![change(), change()], &all[..1])];
    for (changes, products) in cases {
        let tried = fixture.aggregates().reserve(&changes, &taking(products), soon()).await;
        let WriteTry::NotBegun(failure) = tried else { panic!("{tried:?}") };
        assert_eq!(failure.class, FailureClass::Permanent);
    }
    assert_eq!(found(fixture, &stored.order).await, stored);
}

pub async fn open_units_are_counted_up_to_the_maximum_or_nothing_is_stored(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 100)]).await;
    assert_eq!(open_units(fixture, count()).await, None);
    let aggregates = fixture.aggregates();
    // Too many at once, the most, and one more.
    for (units, counted) in [(11, None), (4, Some(4)), (6, Some(10)), (1, Some(10))] {
        let (stored, event_id, publication) =
            waiting(fixture, &identities, &[(1, units.into())]).await;
        let changes = [confirmation(&stored, event_id, publication, moment(5))];
        let before = (open_units(fixture, count()).await, fixture.stock_of(product_id(1)).await);
        let tried = aggregates.reserve(&changes, &counting(&[(1, units)], 10), soon()).await;
        let after = (open_units(fixture, count()).await, fixture.stock_of(product_id(1)).await);
        assert_eq!(after.0, counted);
        if before.0 == counted {
            let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
            assert_eq!(cancelled.open[&count()], ItemReason::ConditionFailed(counted));
            assert!(!cancelled.stock[&product_id(1)].condition_failed());
            assert_eq!(after, before);
            assert_eq!(found(fixture, &stored.order).await, stored);
        } else {
            assert!(matches!(tried, WriteTry::Done), "{tried:?}");
        }
    }
    // Another account, and the same account in the next period, have their own counts.
    let next = OpenPeriod::new(count().period.number() + 1);
    for other in [OpenCount { user_id: user(7), ..count() }, OpenCount { period: next, ..count() }]
    {
        let take = Taking { open: [(other, 10)].into(), open_max: 10, ..Taking::default() };
        let tried = aggregates.reserve(&[], &take, soon()).await;
        assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    }
}

pub async fn reservations_at_once_never_count_more_open_units_than_the_maximum(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let products: Vec<_> = (1..=10).map(|id| product(id, 10)).collect();
    fixture.put_products(&products).await;
    let mut orders = Vec::new();
    for number in 1..=10 {
        orders.push((number, waiting(fixture, &identities, &[(number, 2)]).await));
    }
    let reserving = orders.iter().map(async |(number, (stored, event_id, publication))| {
        let changes = [confirmation(stored, *event_id, *publication, moment(5))];
        let take = counting(&[(*number, 2)], 7);
        let reserve = async || fixture.aggregates().reserve(&changes, &take, soon()).await;
        settled(reserve, is_any_busy).await
    });
    let tried = join_all(reserving).await;
    let done = tried.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!((done, open_units(fixture, count()).await), (3, Some(6)), "{tried:?}");
}

/// A confirmed order with its stock reserved.
async fn confirmed(
    fixture: &impl TableFixture,
    identities: &impl IdentitySource,
    products: &[(u64, u32)],
) -> StoredOrder {
    let lines: Vec<_> =
        products.iter().map(|(product, quantity)| (*product, (*quantity).into())).collect();
    let (stored, event_id, publication) = waiting(fixture, identities, &lines).await;
    let change = [confirmation(&stored, event_id, publication, moment(5))];
    let reserved = fixture.aggregates().reserve(&change, &taking(products), soon()).await;
    assert!(matches!(reserved, WriteTry::Done), "{reserved:?}");
    found(fixture, &stored.order).await
}

/// The event of the cancellation was never sent.
fn cancellation<'a>(
    stored: &'a StoredOrder,
    identities: &impl IdentitySource,
    at: Timestamp,
) -> OrderChange<'a> {
    let stamp = EventStamp::untraced(identities.event_id(), 1);
    let event_id = stamp.event_id;
    let (after, _) = stored.order.cancel(at, stamp).unwrap();
    let mut pending = stored.pending.clone();
    pending.put(event_id, PendingEvent::unsent(identities.transaction_id(), at));
    let index = IndexChange::between(&stored.pending, &pending);
    let reached = Some(after.history().latest().clone());
    OrderChange { before: stored, reached, notified: None, pending, index }
}

pub async fn a_cancelled_order_gives_its_stock_back_once_or_nothing_is_stored(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 10), product(7, 10)]).await;
    let stored = confirmed(fixture, &identities, &[(1, 2), (7, 3)]).await;
    let returns = fixture.stock_returns();
    let change = cancellation(&stored, &identities, moment(9));
    let give = returning(&[(1, 2), (7, 3)]);
    let tries = join_all((0..10).map(async |_| {
        settled(async || returns.give_back(&change, &give, soon()).await, is_any_busy).await
    }))
    .await;
    let done = tries.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!(done, 1, "{tries:?}");
    let stock = (fixture.stock_of(product_id(1)).await, fixture.stock_of(product_id(7)).await);
    assert_eq!(stock, (Some(10), Some(10)));
    let after = found(fixture, &stored.order).await;
    assert_eq!((after.order.version(), &after.pending), (3, &change.pending));
    // The other tries find the order as the first one stored it.
    for tried in &tries {
        if let WriteTry::Cancelled(cancelled) = tried {
            assert_eq!(cancelled.orders[0].found(), Some(&after));
        }
    }
}

pub async fn a_cancelled_order_gives_its_open_units_back_once(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 100)]).await;
    let mut orders = Vec::new();
    for _ in 0..2 {
        let (stored, event_id, publication) = waiting(fixture, &identities, &[(1, 3)]).await;
        let change = [confirmation(&stored, event_id, publication, moment(5))];
        let reserved = fixture.aggregates().reserve(&change, &counting(&[(1, 3)], 6), soon()).await;
        assert!(matches!(reserved, WriteTry::Done), "{reserved:?}");
        orders.push(found(fixture, &stored.order).await);
    }
    let returns = fixture.stock_returns();
    let change = cancellation(&orders[0], &identities, moment(9));
    let give = |units| Returning { open: Some((count(), units)), ..returning(&[(1, 3)]) };
    // More than is counted, as if the count were of another time.
    let tried = returns.give_back(&change, &give(7), soon()).await;
    let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
    assert_eq!(cancelled.open[&count()], ItemReason::ConditionFailed(Some(6)));
    let tries = join_all((0..10).map(async |_| {
        settled(async || returns.give_back(&change, &give(3), soon()).await, is_any_busy).await
    }))
    .await;
    let done = tries.iter().filter(|tried| matches!(tried, WriteTry::Done)).count();
    assert_eq!((done, open_units(fixture, count()).await), (1, Some(3)), "{tries:?}");
    assert_eq!(fixture.stock_of(product_id(1)).await, Some(97));
}

pub async fn returns_and_reservations_at_once_add_up(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 10)]).await;
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.push(confirmed(fixture, &identities, &[(1, 1)]).await);
    }
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(waiting(fixture, &identities, &[(1, 1)]).await);
    }
    let (aggregates, returns) = (fixture.aggregates(), fixture.stock_returns());
    let giving = join_all(taken.iter().map(async |stored| {
        let change = cancellation(stored, &identities, moment(9));
        settled(
            async || returns.give_back(&change, &returning(&[(1, 1)]), soon()).await,
            is_any_busy,
        )
        .await
    }));
    let taking = join_all(orders.iter().map(async |(stored, event_id, publication)| {
        let changes = [confirmation(stored, *event_id, *publication, moment(9))];
        settled(
            async || aggregates.reserve(&changes, &taking(&[(1, 1)]), soon()).await,
            is_any_busy,
        )
        .await
    }));
    let (given, taken) = futures::join!(giving, taking);
    for tried in given.iter().chain(&taken) {
        assert!(matches!(tried, WriteTry::Done), "{tried:?}");
    }
    assert_eq!(fixture.stock_of(product_id(1)).await, Some(5));
}

pub async fn a_product_that_is_not_in_the_catalog_gets_no_stock_back(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 10)]).await;
    let stored = confirmed(fixture, &identities, &[(1, 2)]).await;
    let change = cancellation(&stored, &identities, moment(9));
    let give = returning(&[(1, 2), (8, 1)]);
    let tried = fixture.stock_returns().give_back(&change, &give, soon()).await;
    let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
    let missing = cancelled.stock.get(&product_id(8));
    assert_eq!(missing, Some(&ItemReason::ConditionFailed(None)));
    assert!(!cancelled.orders[0].condition_failed());
    assert_eq!(found(fixture, &stored.order).await, stored);
    assert_eq!(fixture.stock_of(product_id(1)).await, Some(8));
}

pub async fn a_write_after_its_deadline_stores_nothing(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let late = || Deadline::after(Duration::ZERO);
    let new = new_order(&identities, &[(1, 2)], moment(0));
    let (keys, aggregates) = (fixture.order_keys(), fixture.aggregates());
    let put = keys.create(&new, late()).await;
    assert!(matches!(put, WriteTry::NotBegun(_)), "{put:?}");
    assert_eq!(at_key(fixture, new.order()).await, AtKey::Absent);
    let stored = create(fixture, &new).await;
    let ended = end(&stored, stored.created_event(), moment(1));
    let changed = aggregates.change(&ended.clone().into(), late()).await;
    assert!(matches!(changed, WriteTry::NotBegun(_)), "{changed:?}");
    let reserved = aggregates.reserve(&[ended], &taking(&[(1, 1)]), late()).await;
    assert!(matches!(reserved, WriteTry::NotBegun(_)), "{reserved:?}");
    assert_eq!(found(fixture, new.order()).await, stored);
}

fn letter_of(stored: &StoredOrder) -> DeadLetter {
    DeadLetter {
        aggregate: Some(stored.key()),
        done_by: ["counter".to_owned()].into(),
        expires_at: None,
        ..dead_letter(Some(stored.created_event()), moment(9))
    }
}

async fn letter(fixture: &impl TableFixture, letter: &DeadLetter) -> Option<DeadLetter> {
    fixture.letters().find(&letter.id()).await.unwrap()
}

fn given_up(stored: &StoredOrder) -> AggregateChange<'_> {
    OrderChange { notified: None, ..end(stored, stored.created_event(), moment(9)) }.into()
}

pub async fn a_letter_is_recorded_with_the_end_of_its_event_or_not_at_all(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let stored = create(fixture, &new_order(&identities, &[(1, 2)], moment(0))).await;
    let dead = letter_of(&stored);
    let moves = fixture.letter_moves();
    let stale = StoredOrder { revision: stored.revision + 1, ..stored.clone() };
    let tried = moves.record(&dead, Some(&given_up(&stale)), soon()).await;
    let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
    let as_it_is = StoredAggregate::Order(stored.clone());
    assert_eq!(cancelled.aggregate.found(), Some(&as_it_is));
    assert_eq!(letter(fixture, &dead).await, None);
    let recorded = moves.record(&dead, Some(&given_up(&stored)), soon()).await;
    assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
    assert_eq!(letter(fixture, &dead).await, Some(dead));
    assert!(found(fixture, &stored.order).await.pending.is_empty());
    assert_eq!(due(fixture, moment(1_000)).await, []);
}

pub async fn a_letter_without_an_aggregate_is_recorded_alone(fixture: &impl TableFixture) {
    let dead = dead_letter(None, moment(9));
    let moves = fixture.letter_moves();
    for _ in 0..2 {
        let recorded = moves.record(&dead, None, soon()).await;
        assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
    }
    assert_eq!(letter(fixture, &dead).await, Some(dead));
}

pub async fn a_redriven_letter_goes_as_its_event_returns_and_that_happens_once(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let stored = create(fixture, &new_order(&identities, &[(1, 2)], moment(0))).await;
    let (dead, moves) = (letter_of(&stored), fixture.letter_moves());
    let recorded = moves.record(&dead, Some(&given_up(&stored)), soon()).await;
    assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
    let ended = found(fixture, &stored.order).await;
    let mut pending = ended.pending.clone();
    let again = PendingEvent::unsent(identities.transaction_id(), moment(70));
    pending.put(stored.created_event(), again);
    let index = IndexChange::between(&ended.pending, &pending);
    let stored_now = StoredAggregate::Order(ended);
    let returns = stored_now.pending_change(pending, index);
    let another = DeadLetter { message_id: MessageId::of("ANOTHER"), ..dead.clone() };
    let tried = moves.remove(&another, &returns, soon()).await;
    let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
    assert!(cancelled.letter.condition_failed(), "a later letter of the same event is kept");
    let redriven = moves.remove(&dead, &returns, soon()).await;
    assert!(matches!(redriven, WriteTry::Done), "{redriven:?}");
    assert_eq!(letter(fixture, &dead).await, None);
    let after = found(fixture, &stored.order).await;
    assert_eq!(&after.pending, returns.pending());
    assert_eq!(due(fixture, moment(70)).await.len(), 1);
    let tried = moves.remove(&dead, &returns, soon()).await;
    let WriteTry::Cancelled(cancelled) = tried else { panic!("{tried:?}") };
    assert!(cancelled.letter.condition_failed());
}
