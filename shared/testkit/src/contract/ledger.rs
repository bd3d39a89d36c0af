//! `TransactionLedger`.

use application::lifetimes;
use application::outcome::WriteTry;
use application::ports::{
    FenceOutcome, IdentitySource, OrderRepository, TransactionLedger, TransactionState,
};
use domain::timestamp::Timestamp;
use futures::future::join_all;

use super::orders::place;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{taken, user};

fn until() -> Timestamp {
    moment(0).plus(lifetimes::TRANSACTION)
}

/// As its name says.
pub async fn an_attempt_without_a_record_has_no_state(fixture: &impl TableFixture) {
    let attempt = SequentialIdentities::default().transaction_id();
    assert_eq!(fixture.ledger().state(attempt).await.unwrap(), None);
}

/// As its name says.
pub async fn a_fence_stands_once(fixture: &impl TableFixture) {
    let attempt = SequentialIdentities::default().transaction_id();
    let ledger = fixture.ledger();
    assert!(matches!(ledger.fence(attempt, until()).await, FenceOutcome::Won));
    assert!(matches!(ledger.fence(attempt, until()).await, FenceOutcome::Lost));
    assert_eq!(ledger.state(attempt).await.unwrap(), Some(TransactionState::Fenced));
}

/// As its name says.
pub async fn a_fence_is_lost_when_the_attempt_has_a_record_already(fixture: &impl TableFixture) {
    let order = taken(&SequentialIdentities::default(), user(1), &[(1, 1)], moment(0));
    place(fixture, &order).await;
    let attempt = order.event.transaction_id;
    let ledger = fixture.ledger();
    assert!(matches!(ledger.fence(attempt, until()).await, FenceOutcome::Lost));
    assert_eq!(ledger.state(attempt).await.unwrap(), Some(TransactionState::Committed));
}

/// As its name says.
pub async fn of_twenty_fences_at_once_one_stands(fixture: &impl TableFixture) {
    let attempt = SequentialIdentities::default().transaction_id();
    let ledger = fixture.ledger();
    let fences = join_all((0..20).map(|_| ledger.fence(attempt, until()))).await;
    let won = fences.iter().filter(|fence| matches!(fence, FenceOutcome::Won)).count();
    assert_eq!(won, 1, "{fences:?}");
}

/// As its name says.
pub async fn of_a_fence_and_a_transaction_at_once_one_stands(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    for _ in 0..20 {
        let order = taken(&identities, user(1), &[(1, 1)], moment(0));
        let attempt = order.event.transaction_id;
        let (orders, ledger) = (fixture.orders(), fixture.ledger());
        let placement = order.placement();
        let (placed, fence) =
            tokio::join!(orders.place(&placement, soon()), ledger.fence(attempt, until()));
        let expected = match (&placed, &fence) {
            (WriteTry::Done, FenceOutcome::Lost | FenceOutcome::Unknown(_)) => {
                TransactionState::Committed
            }
            (WriteTry::Cancelled(_), FenceOutcome::Won) => TransactionState::Fenced,
            other => panic!("{other:?}"),
        };
        assert_eq!(ledger.state(attempt).await.unwrap(), Some(expected));
    }
}

/// As its name says.
pub async fn the_attempt_that_recorded_an_event_is_told(fixture: &impl TableFixture) {
    let order = taken(&SequentialIdentities::default(), user(1), &[(1, 1)], moment(0));
    let event_id = order.event.message.event_id;
    let ledger = fixture.ledger();
    assert_eq!(ledger.attempt_that_recorded(event_id).await.unwrap(), None);
    place(fixture, &order).await;
    let recorded = ledger.attempt_that_recorded(event_id).await.unwrap();
    assert_eq!(recorded, Some(order.event.transaction_id));
}
