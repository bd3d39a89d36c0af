//! `Inventory`.

use application::outcome::WriteTry;
use application::ports::{
    EffectCancelled, IdentitySource, Inventory, Notifications, OrderReader, RecordedEvent,
    StockDecision, TransactionLedger, TransactionState,
};
use domain::order::{LINES_MAX, Notification, Order, OrderLines, OrderStatus};
use futures::future::join_all;

use super::effects::{assert_handled, assert_subject_refused, assert_unhandled};
use super::orders::place;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TakenOrder, follow_up, product, product_id, stamp, taken, user};

/// A decision with all that it refers to.
struct Decision {
    order: Order,
    event: RecordedEvent,
    reserve: Option<OrderLines>,
}

fn confirmation(identities: &impl IdentitySource, taken: &TakenOrder) -> Decision {
    let (order, event) = taken.order.confirm(moment(5), stamp(identities)).unwrap();
    let event = follow_up(identities, &event);
    Decision { order, event, reserve: Some(taken.lines.clone()) }
}

fn rejection(identities: &impl IdentitySource, taken: &TakenOrder) -> Decision {
    let (order, event) = taken.order.reject(moment(5), stamp(identities)).unwrap();
    let event = follow_up(identities, &event);
    Decision { order, event, reserve: None }
}

async fn decide(
    fixture: &impl TableFixture,
    taken: &TakenOrder,
    decision: &Decision,
) -> WriteTry<EffectCancelled> {
    let Decision { order, event, reserve } = decision;
    let decision = StockDecision { order, event, reserve: reserve.as_ref() };
    fixture.inventory().decide(&taken.inbox("inventory"), &decision, soon()).await
}

async fn decided(fixture: &impl TableFixture, taken: &TakenOrder, decision: &Decision) {
    let outcome = decide(fixture, taken, decision).await;
    assert!(matches!(outcome, WriteTry::Done), "{outcome:?}");
}

async fn found(fixture: &impl TableFixture, taken: &TakenOrder) -> Order {
    let found = fixture.reader().find(taken.order.user_id(), taken.order.id()).await.unwrap();
    found.unwrap()
}

/// An order of two products, of the first 2 and of the second 3, with a stock of 10 and as told.
async fn placed(
    fixture: &impl TableFixture,
    identities: &impl IdentitySource,
    second_stock: u32,
) -> TakenOrder {
    fixture.put_products(&[product(1, 10), product(2, second_stock)]).await;
    let taken = taken(identities, user(123), &[(1, 2), (2, 3)], moment(0));
    place(fixture, &taken).await;
    taken
}

async fn assert_stock(fixture: &impl TableFixture, expected: [u32; 2]) {
    let stock = [fixture.stock_of(product_id(1)).await, fixture.stock_of(product_id(2)).await];
    assert_eq!(stock, expected.map(Some));
}

fn assert_short(outcome: &WriteTry<EffectCancelled>) {
    let WriteTry::Cancelled(cancelled) = outcome else { panic!("{outcome:?}") };
    let expected = EffectCancelled { stock_short: true, ..EffectCancelled::default() };
    assert_eq!(*cancelled, expected);
}

/// As its name says, to the last one.
pub async fn a_reservation_takes_exactly_what_the_order_asks_for(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let taken = placed(fixture, &identities, 3).await;
    let confirmation = confirmation(&identities, &taken);
    decided(fixture, &taken, &confirmation).await;
    assert_stock(fixture, [8, 0]).await;
    assert_eq!(found(fixture, &taken).await, confirmation.order);
}

/// As its name says, whatever a second decision would be.
pub async fn a_decision_is_stored_once(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let taken = placed(fixture, &identities, 10).await;
    decided(fixture, &taken, &confirmation(&identities, &taken)).await;
    for again in [confirmation(&identities, &taken), rejection(&identities, &taken)] {
        assert_handled(&decide(fixture, &taken, &again).await);
    }
    assert_stock(fixture, [8, 7]).await;
    assert_eq!(found(fixture, &taken).await.status(), OrderStatus::Confirmed);
}

/// As its name says: neither order, event, stock nor inbox record.
pub async fn without_enough_stock_nothing_is_stored(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let taken = placed(fixture, &identities, 2).await;
    let confirmation = confirmation(&identities, &taken);
    assert_short(&decide(fixture, &taken, &confirmation).await);
    assert_stock(fixture, [10, 2]).await;
    assert_eq!(found(fixture, &taken).await, taken.order);
    let event_id = confirmation.event.message.event_id;
    assert_eq!(fixture.ledger().attempt_that_recorded(event_id).await.unwrap(), None);
    assert_unhandled(fixture, &taken.inbox("inventory")).await;
}

/// As its name says.
pub async fn a_product_that_is_not_there_is_short_of_stock(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let taken = taken(&identities, user(123), &[(9, 1)], moment(0));
    place(fixture, &taken).await;
    assert_short(&decide(fixture, &taken, &confirmation(&identities, &taken)).await);
    assert_eq!(fixture.stock_of(product_id(9)).await, None);
}

/// As its name says.
pub async fn a_rejection_takes_nothing_out_of_stock(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let taken = placed(fixture, &identities, 0).await;
    let rejection = rejection(&identities, &taken);
    decided(fixture, &taken, &rejection).await;
    assert_stock(fixture, [10, 0]).await;
    assert_eq!(found(fixture, &taken).await, rejection.order);
}

/// As its name says: not there, or decided under another event.
pub async fn a_decision_is_refused_unless_the_order_is_created(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 10), product(2, 10)]).await;
    let absent = taken(&identities, user(123), &[(1, 2), (2, 3)], moment(0));
    assert_subject_refused(&decide(fixture, &absent, &confirmation(&identities, &absent)).await);
    assert_unhandled(fixture, &absent.inbox("inventory")).await;

    let mut taken = placed(fixture, &identities, 10).await;
    decided(fixture, &taken, &rejection(&identities, &taken)).await;
    // Another event about the same order.
    taken.event.message.event_id = identities.event_id();
    assert_subject_refused(&decide(fixture, &taken, &confirmation(&identities, &taken)).await);
    assert_stock(fixture, [10, 10]).await;
}

/// As its name says.
pub async fn a_decision_stores_the_event_and_its_attempts_committed_record(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let taken = placed(fixture, &identities, 10).await;
    let confirmation = confirmation(&identities, &taken);
    decided(fixture, &taken, &confirmation).await;
    let RecordedEvent { message, transaction_id, .. } = &confirmation.event;
    let ledger = fixture.ledger();
    let state = ledger.state(*transaction_id).await.unwrap();
    assert_eq!(state, Some(TransactionState::Committed));
    let recorded = ledger.attempt_that_recorded(message.event_id).await.unwrap();
    assert_eq!(recorded, Some(*transaction_id));
}

/// As its name says: what was told meanwhile, too.
pub async fn a_decision_keeps_what_the_customer_was_told(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let taken = placed(fixture, &identities, 10).await;
    let told =
        Notification { event_type: "OrderCreated".to_owned(), aggregate_version: 1, at: moment(1) };
    let (user_id, order_id) = (taken.order.user_id(), taken.order.id());
    let inbox = taken.inbox("notification");
    let notified = fixture.notifications().notify(&inbox, user_id, order_id, &told, soon()).await;
    assert!(matches!(notified, WriteTry::Done), "{notified:?}");
    // It was made of an order that knows of no notification.
    decided(fixture, &taken, &confirmation(&identities, &taken)).await;
    let order = found(fixture, &taken).await;
    assert_eq!((order.status(), order.version()), (OrderStatus::Confirmed, 2));
    assert_eq!(order.notifications(), [told]);
}

/// As its name says.
pub async fn reservations_at_once_never_take_more_than_there_is(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    fixture.put_products(&[product(1, 5)]).await;
    let mut orders = Vec::new();
    for _ in 0..10 {
        let taken = taken(&identities, user(123), &[(1, 1)], moment(0));
        place(fixture, &taken).await;
        orders.push((confirmation(&identities, &taken), taken));
    }
    let reserve = async |decision: &Decision, taken: &TakenOrder| loop {
        match decide(fixture, taken, decision).await {
            WriteTry::Done => return true,
            WriteTry::Cancelled(EffectCancelled { busy: true, .. }) => {}
            short => {
                assert_short(&short);
                return false;
            }
        }
    };
    let reserved = join_all(orders.iter().map(|(decision, taken)| reserve(decision, taken))).await;
    assert_eq!(reserved.iter().filter(|reserved| **reserved).count(), 5);
    assert_eq!(fixture.stock_of(product_id(1)).await, Some(0));
}

/// As its name says.
pub async fn the_largest_order_is_reserved_in_one_transaction(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let most = u64::try_from(LINES_MAX).unwrap();
    let products: Vec<_> = (1..=most).map(|number| product(number, 999)).collect();
    fixture.put_products(&products).await;
    let lines: Vec<_> = (1..=most).map(|number| (number, 999)).collect();
    let taken = taken(&identities, user(123), &lines, moment(0));
    place(fixture, &taken).await;
    decided(fixture, &taken, &confirmation(&identities, &taken)).await;
    assert_stock(fixture, [0, 0]).await;
}
