//! `OrderRepository` and `OrderReader`.

use std::time::Duration;

use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::{ItemReason, WriteTry};
use application::ports::{
    FenceOutcome, OrderReader, OrderRepository, PlacementCancelled, TransactionLedger,
    TransactionState,
};

use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TakenOrder, key, taken, user};

fn order(identities: &SequentialIdentities) -> TakenOrder {
    taken(identities, user(123), &[(1, 2), (7, 3)], moment(0))
}

/// Places an order that must be taken.
pub(super) async fn place(fixture: &impl TableFixture, order: &TakenOrder) {
    let placed = fixture.orders().place(&order.placement(), soon()).await;
    assert!(matches!(placed, WriteTry::Done), "{placed:?}");
}

async fn cancelled(fixture: &impl TableFixture, order: &TakenOrder) -> PlacementCancelled {
    let placed = fixture.orders().place(&order.placement(), soon()).await;
    let WriteTry::Cancelled(cancelled) = placed else { panic!("{placed:?}") };
    cancelled
}

/// That nothing of an order is stored.
async fn assert_absent(fixture: &impl TableFixture, order: &TakenOrder) {
    let found = fixture.reader().find(order.order.user_id(), order.order.id()).await.unwrap();
    assert_eq!(found, None);
    let event_id = order.event.message.event_id;
    assert_eq!(fixture.ledger().attempt_that_recorded(event_id).await.unwrap(), None);
}

/// As its name says.
pub async fn a_placed_order_is_found_as_it_was_stored(fixture: &impl TableFixture) {
    let order = order(&SequentialIdentities::default());
    place(fixture, &order).await;
    let found = fixture.reader().find(order.order.user_id(), order.order.id()).await.unwrap();
    assert_eq!(found, Some(order.order));
}

/// As its name says.
pub async fn an_order_that_is_not_there_is_none(fixture: &impl TableFixture) {
    let order = order(&SequentialIdentities::default());
    assert_absent(fixture, &order).await;
}

/// As its name says.
pub async fn another_users_order_is_indistinguishable_from_none(fixture: &impl TableFixture) {
    let order = order(&SequentialIdentities::default());
    place(fixture, &order).await;
    assert_eq!(fixture.reader().find(user(124), order.order.id()).await.unwrap(), None);
}

/// As its name says.
pub async fn a_placement_stores_the_event_and_the_attempts_committed_record(
    fixture: &impl TableFixture,
) {
    let order = order(&SequentialIdentities::default());
    place(fixture, &order).await;
    let attempt = order.event.transaction_id;
    let state = fixture.ledger().state(attempt).await.unwrap();
    assert_eq!(state, Some(TransactionState::Committed));
    let recorded = fixture.ledger().attempt_that_recorded(order.event.message.event_id).await;
    assert_eq!(recorded.unwrap(), Some(attempt));
}

/// As its name says: with and without a key.
pub async fn a_second_try_of_an_attempt_is_done_or_reports_the_records_of_its_own_making(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let keyed = order(&identities).under("key-1", moment(3_600));
    for order in [order(&identities), keyed] {
        place(fixture, &order).await;
        match fixture.orders().place(&order.placement(), soon()).await {
            WriteTry::Done => {}
            WriteTry::Cancelled(cancelled) => {
                let own = cancelled.transaction.found() == Some(&TransactionState::Committed);
                let remembered = cancelled.idempotency.found();
                let own_key =
                    remembered.is_some_and(|r| r.transaction_id == order.event.transaction_id);
                assert!(own || own_key, "{cancelled:?}");
            }
            other => panic!("{other:?}"),
        }
        let found = fixture.reader().find(order.order.user_id(), order.order.id()).await.unwrap();
        assert_eq!(found, Some(order.order));
    }
}

/// As its name says.
pub async fn a_live_record_of_the_key_is_reported_and_nothing_is_stored(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let first = order(&identities).under("key-1", moment(3_600));
    place(fixture, &first).await;
    let mut second = order(&identities).under("key-1", moment(7_200));
    // The last millisecond of its life.
    second.at = moment(3_599).plus(Duration::from_millis(999));
    let cancelled = cancelled(fixture, &second).await;
    assert_eq!(cancelled.idempotency.found(), Some(first.record()));
    assert_eq!(cancelled.transaction, ItemReason::None);
    assert_absent(fixture, &second).await;
    assert_eq!(fixture.ledger().state(second.event.transaction_id).await.unwrap(), None);
}

/// As its name says.
pub async fn a_record_of_the_key_that_is_expired_at_now_is_replaced(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    place(fixture, &order(&identities).under("key-1", moment(3_600))).await;
    let mut second = order(&identities).under("key-1", moment(7_200));
    second.at = moment(3_600);
    place(fixture, &second).await;
    let remembered = fixture.orders().remembered(user(123), &key("key-1"), second.at).await;
    assert_eq!(remembered.unwrap().as_ref(), Some(second.record()));
}

/// As its name says.
pub async fn a_fenced_attempt_is_cancelled_and_nothing_is_stored(fixture: &impl TableFixture) {
    let order = order(&SequentialIdentities::default()).under("key-1", moment(3_600));
    let until = moment(0).plus(lifetimes::TRANSACTION);
    let fence = fixture.ledger().fence(order.event.transaction_id, until).await;
    assert!(matches!(fence, FenceOutcome::Won), "{fence:?}");
    let cancelled = cancelled(fixture, &order).await;
    assert_eq!(cancelled.transaction.found(), Some(&TransactionState::Fenced));
    assert_absent(fixture, &order).await;
    let remembered = fixture.orders().remembered(user(123), &key("key-1"), order.at).await;
    assert_eq!(remembered.unwrap(), None);
}

/// As its name says.
pub async fn an_order_or_an_event_that_is_there_already_is_reported(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let first = order(&identities);
    place(fixture, &first).await;
    let mut same_order = order(&identities);
    same_order.order = first.order.clone();
    let by_order = cancelled(fixture, &same_order).await;
    assert!(by_order.order.condition_failed(), "{by_order:?}");
    let mut same_event = order(&identities);
    same_event.event.message = first.event.message.clone();
    let by_event = cancelled(fixture, &same_event).await;
    assert!(by_event.event.condition_failed(), "{by_event:?}");
    let recorded = fixture.ledger().attempt_that_recorded(first.event.message.event_id).await;
    assert_eq!(recorded.unwrap(), Some(first.event.transaction_id));
}

/// As its name says.
pub async fn a_record_is_told_until_it_expires_and_to_its_user_alone(fixture: &impl TableFixture) {
    let order = order(&SequentialIdentities::default()).under("key-1", moment(3_600));
    place(fixture, &order).await;
    let orders = fixture.orders();
    let last = moment(3_599).plus(Duration::from_millis(999));
    let told = orders.remembered(user(123), &key("key-1"), last).await.unwrap();
    assert_eq!(told.as_ref(), Some(order.record()));
    for (user_id, text, now) in [(123, "key-1", 3_600), (124, "key-1", 0), (123, "key-2", 0)] {
        let told = orders.remembered(user(user_id), &key(text), moment(now)).await.unwrap();
        assert_eq!(told, None, "{user_id} {text} {now}");
    }
}

/// As its name says.
pub async fn a_try_after_its_deadline_stores_nothing(fixture: &impl TableFixture) {
    let order = order(&SequentialIdentities::default());
    let late = Deadline::after(Duration::ZERO);
    let placed = fixture.orders().place(&order.placement(), late).await;
    assert!(matches!(placed, WriteTry::Refused(_)), "{placed:?}");
    assert_absent(fixture, &order).await;
}
