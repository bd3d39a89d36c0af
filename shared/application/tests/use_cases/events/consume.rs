//! An event is handled once, with the data of its aggregate, and ends with its last handler.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{ConsumptionReport, Registry};
use application::lifetimes;
use application::outcome::FailureClass;
use application::ports::{Clock, HalfMessage, IdentitySource, Resolution, TransactionalPublisher};
use contracts::event::EventType;
use domain::identity::OrderId;
use domain::order::OrderStatus;
use domain::pending::{PendingEvent, Publication};
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{product, product_id, stamp};
use testkit::world::World;
use tokio::time::Instant;

use super::{LONG, SHORT, assert_confirmed_once, consume, created, notified, published, stored};
use crate::orders::create::world;

/// Cancels an order as its account does. Its `OrderCancelled` is pending.
fn cancel(world: &World, id: OrderId) {
    let mut cancelled = stored(world, id);
    let (at, event) = (world.clock.now(), stamp(&world.identities));
    let pending = PendingEvent::unsent(world.identities.transaction_id(), at);
    cancelled.pending.put(event.event_id, pending);
    cancelled.order = cancelled.order.cancel(at, event).unwrap().0;
    cancelled.revision += 1;
    world.tables.put_stored_order(cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_confirmed_and_its_user_notified_of_both_events_once() {
    let world = world();
    let id = created(&world, 2).await;
    let report = consume(&world, SHORT).await;
    assert_eq!((report.handled, report.postponed), (2, 0));
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Confirmed);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderConfirmed"]);
    assert!(stored.pending.is_empty());
    assert_eq!(world.tables.index_entry(id), None, "nothing is pending, so the sweep sees nothing");
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
    assert_eq!(published(&world), [EventType::OrderCreated, EventType::OrderConfirmed]);
    assert_eq!(world.broker.unacknowledged(), 0);
    // One write for the decision with the end of OrderCreated, one for the end of OrderConfirmed.
    assert_eq!(world.tables.calls(Operation::Reserve), 1);
    assert_eq!(world.tables.calls(Operation::ChangeAggregate), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_rejected_where_there_is_not_enough_stock() {
    let world = world();
    let id = created(&world, 11).await;
    consume(&world, SHORT).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Rejected);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderRejected"]);
    assert!(stored.pending.is_empty());
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
    assert_eq!(published(&world), [EventType::OrderCreated, EventType::OrderRejected]);
}

#[tokio::test(start_paused = true)]
async fn copies_of_an_event_have_one_effect() {
    let world = world();
    let id = created(&world, 2).await;
    let half = world.broker.halves().remove(0);
    for _ in 0..9 {
        let again = HalfMessage {
            message: &half.message,
            transaction_id: half.transaction_id,
            deadline: half.deadline,
            is_recorded: true,
        };
        let receipt = world.broker.prepare(&again, Deadline::after(SHORT)).await.unwrap();
        world.broker.end(&receipt, Resolution::Commit, Deadline::after(SHORT)).await.unwrap();
    }
    let report = consume(&world, SHORT).await;
    assert_eq!(report.handled, 11, "ten copies and the next event");
    let stored = stored(&world, id);
    assert_eq!(stored.order.version(), 2);
    assert_eq!(notified(&stored), ["OrderCreated", "OrderConfirmed"]);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
    assert_eq!(world.broker.visible().len(), 11, "the next event was published once");
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_was_lost_is_found_and_published_by_its_writer() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.script(Operation::Reserve, [Fault::ReplyLost]);
    consume(&world, SHORT).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.version(), 2);
    assert!(stored.pending.is_empty());
    assert_eq!(world.broker.visible().len(), 2);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_that_is_in_no_history() {
    let world = world();
    let id = created(&world, 2).await;
    // The decision is being stored when the account cancels the order, and comes too late.
    world.tables.script(Operation::Reserve, [Fault::LandsLate]);
    let tables = world.tables.clone();
    let cancel = async {
        while tables.calls(Operation::Reserve) == 0 {
            tokio::task::yield_now().await;
        }
        cancel(&world, id);
    };
    let (_, ()) = tokio::join!(consume(&world, SHORT), cancel);
    assert_eq!(world.tables.apply_late_writes(), 1);
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Cancelled);
    assert_eq!(notified(&stored), ["OrderCreated"]);
    assert_eq!(stored.pending.len(), 1, "the cancellation waits for the sweep");
    assert!(world.tables.index_entry(id).is_some());
    assert_eq!(world.broker.visible().len(), 1, "neither decision is published");
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_dies_before_its_acknowledgement_loses_and_repeats_nothing() {
    let world = world();
    let id = created(&world, 2).await;
    world.broker.script(BrokerFault::AcknowledgementLost, 2);
    let report = consume(&world, Duration::from_secs(120)).await;
    assert_eq!(report.handled, 4, "both were delivered again");
    assert_eq!(world.broker.deliveries(), [2, 2]);
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_no_aggregate_is_foreign_and_no_handler_sees_it() {
    let world = world();
    created(&world, 2).await;
    let half = world.broker.halves().remove(0);
    let elsewhere = "USER#7/ORDER#01890a5d-ac96-774b-bcce-b302099a8057";
    for properties in [vec![], vec![("aggregate", elsewhere)], vec![("aggregate", "nothing")]] {
        world.broker.put(half.message.body.as_bytes(), &properties);
    }
    let report = consume(&world, SHORT).await;
    assert_eq!((report.foreign, report.handled), (3, 2));
    assert_eq!(world.broker.unacknowledged(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_forged_message_has_no_other_effect_than_the_aggregate_allows() {
    let world = world();
    let id = created(&world, 2).await;
    let half = world.broker.halves().remove(0);
    let forged = half.message.body.replace("\"quantity\":2", "\"quantity\":9");
    let key = half.message.aggregate.unwrap().to_string();
    world.broker.put(forged.as_bytes(), &[("aggregate", &key)]);
    consume(&world, SHORT).await;
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Confirmed);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_in_the_event_by_whatever_copy_they_came() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume(&world, Duration::from_secs(10)).await;
    let counted = stored(&world, id);
    let entry = counted.pending.get(counted.created_event()).unwrap();
    assert!(entry.failures >= 2, "{entry:?}");
    assert!(entry.due > world.clock.now(), "the sweep leaves it alone until then");
    assert_eq!(world.tables.index_entry(id).unwrap().1, entry.due);
    world.tables.heal(Operation::Reserve);
    consume(&world, SHORT).await;
    assert!(stored(&world, id).pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_failed_is_due_for_the_sweep_a_minute_after_its_next_delivery() {
    let world = world();
    let id = created(&world, 2).await;
    let began = world.clock.now();
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    // The next delivery, after a second, is one of the next window.
    consume(&world, Duration::from_millis(6_500)).await;
    let counted = stored(&world, id);
    let entry = counted.pending.get(counted.created_event()).unwrap();
    assert_eq!((entry.failures, entry.due.since(began)), (1, Duration::from_secs(61)));
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_aggregate_cannot_be_read_waits_until_it_can() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.script(Operation::FindAggregate, [Fault::Refused(FailureClass::Permanent)]);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.unreadable, report.postponed, report.dead_lettered), (1, 1, 0));
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn a_busy_or_absent_table_postpones_and_loses_nothing() {
    for operation in [Operation::FindAggregate, Operation::Reserve, Operation::ChangeAggregate] {
        for fault in [Fault::RequestLost, Fault::Refused(FailureClass::Throttled), Fault::Busy] {
            let world = world();
            let id = created(&world, 2).await;
            world.tables.fail_every_call(operation, fault);
            let report = consume(&world, Duration::from_secs(20)).await;
            assert!(report.postponed > 0, "{operation:?} {fault:?}");
            world.tables.heal(operation);
            consume(&world, LONG).await;
            let stored = stored(&world, id);
            assert!(stored.pending.is_empty(), "{operation:?} {fault:?}");
            assert_eq!(world.tables.stock_of(product_id(1)), Some(8), "{operation:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn orders_of_one_product_at_once_never_take_more_than_there_is() {
    let world = world();
    world.tables.put_product(product(1, 25));
    for _ in 0..20 {
        created(&world, 2).await;
    }
    consume(&world, LONG).await;
    let orders = world.tables.stored_orders();
    let count_of = |status| orders.iter().filter(|stored| stored.order.status() == status).count();
    let counts = (count_of(OrderStatus::Confirmed), count_of(OrderStatus::Rejected));
    assert_eq!(counts, (12, 8));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(1));
    assert!(orders.iter().all(|stored| stored.pending.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_busy_item_is_tried_again_without_another_delivery() {
    for operation in [Operation::Reserve, Operation::ChangeAggregate] {
        let world = world();
        let id = created(&world, 2).await;
        let throttled = Fault::Refused(FailureClass::Throttled);
        world.tables.script(operation, [Fault::Busy, throttled, Fault::Busy]);
        consume(&world, SHORT).await;
        assert_eq!(world.broker.deliveries(), [1, 1], "{operation:?}");
        assert_confirmed_once(&world, id);
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_answer_was_lost_happens_once_and_within_its_delivery() {
    for operation in [Operation::Reserve, Operation::ChangeAggregate] {
        for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::LandsLate] {
            let world = world();
            let id = created(&world, 2).await;
            world.tables.script(operation, [fault]);
            consume(&world, SHORT).await;
            world.tables.apply_late_writes();
            assert_confirmed_once(&world, id);
            assert_eq!(world.broker.deliveries(), [1, 1], "{operation:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_event_that_cannot_be_sent_is_left_to_the_sweep() {
    let world = world();
    let id = created(&world, 2).await;
    world.broker.script(BrokerFault::PrepareFails, 1);
    let report = consume(&world, Duration::from_secs(10)).await;
    assert_eq!((report.handled, report.postponed), (1, 0));
    let after = stored(&world, id);
    assert_eq!(after.order.status(), OrderStatus::Confirmed);
    let confirmed = after.order.latest_event().stamp.event_id;
    assert_eq!(after.pending.len(), 1, "{:?}", after.pending);
    assert_eq!(after.pending.get(confirmed).unwrap().publication, Publication::Sent);
    let (_, due) = world.tables.index_entry(id).unwrap();
    assert!(due > world.clock.now() && due.since(world.clock.now()) <= lifetimes::SWEEP_AFTER);
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let swept = world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await;
    assert_eq!(swept.sent, 1);
    consume(&world, SHORT).await;
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_attempts_grow() {
    let world = world();
    created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let report = consume(&world, Duration::from_secs(120)).await;
    // After pauses of 1, 2, 4, 8, 16 and 32 s: 63 s; the next attempt would begin after the window.
    assert_eq!((report.postponed, report.dead_lettered), (7, 0));
    assert_eq!((world.broker.deliveries(), world.broker.unacknowledged()), (vec![7], 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_an_order_that_was_cancelled_meanwhile_only_ends() {
    let world = world();
    let id = created(&world, 2).await;
    cancel(&world, id);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.handled, report.postponed), (1, 0));
    let stored = stored(&world, id);
    assert_eq!((stored.order.status(), stored.order.version()), (OrderStatus::Cancelled, 2));
    assert_eq!(notified(&stored), ["OrderCreated"]);
    let cancelled = stored.order.latest_event().stamp.event_id;
    let pending = (stored.pending.len(), stored.pending.holds(cancelled));
    assert_eq!(pending, (1, true), "the cancellation waits for the sweep");
    assert_eq!(world.tables.calls(Operation::Reserve), 0);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
    assert_eq!(published(&world), [EventType::OrderCreated], "no other event was raised");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_ended_meanwhile_decides_nothing() {
    let world = world();
    let id = created(&world, 2).await;
    // Another delivery gives the event up while the reservation is under way.
    world.tables.script(Operation::Reserve, [Fault::RequestLost]);
    let giving_up = async {
        while world.tables.calls(Operation::Reserve) == 0 {
            tokio::task::yield_now().await;
        }
        let mut given_up = stored(&world, id);
        given_up.pending = [].into_iter().collect();
        given_up.revision += 1;
        world.tables.put_stored_order(given_up);
    };
    tokio::join!(consume(&world, SHORT), giving_up);
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Created);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(10));
    assert_eq!(published(&world), [EventType::OrderCreated]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_asked_again() {
    let world = world();
    let id = created(&world, 2).await;
    world.broker.script(BrokerFault::ReceiveFails, 4);
    let report = consume(&world, SHORT).await;
    let expected = ConsumptionReport { handled: 2, failed_receives: 4, ..Default::default() };
    assert_eq!(report, expected);
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_requests_to_a_broker_that_is_away_grow() {
    let world = world();
    world.broker.become_unreachable();
    let report = consume(&world, SHORT).await;
    // Two pollers, with pauses that grow to 2 s.
    assert!((40..80).contains(&report.failed_receives), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_window_ends_in_time_whatever_was_received_last() {
    let world = world();
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Throttled));
    world
        .tables
        .fail_every_call(Operation::RecordLetter, Fault::Refused(FailureClass::Unavailable));
    let mut consumer = world.consume_pending(Registry::default());
    consumer.pace.attempts_max = 1;
    let window = Duration::from_secs(15);
    let late = async {
        // Just before the window stops receiving messages.
        tokio::time::sleep(Duration::from_millis(8_900)).await;
        created(&world, 2).await;
    };
    let started = Instant::now();
    let (report, ()) = tokio::join!(consumer.run(Deadline::after(window)), late);
    assert_eq!((report.postponed, report.dead_lettered), (1, 0));
    assert!(started.elapsed() <= window, "the window took {:?}", started.elapsed());
}
