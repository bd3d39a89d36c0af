//! A check-back is answered by what is stored at the order's key, and by nothing else.

use std::time::Duration;

use application::events::answer_check::CheckReport;
use application::lifetimes;
use application::ports::creating::OrderCreation;
use application::ports::{CheckAnswer, CheckBack, CheckBackHandler, Clock, IdentitySource, Topic};
use application::{
    deadline::Deadline,
    outcome::{FailureClass, WriteTry},
};
use domain::identity::TransactionId;
use domain::order::{FENCED_MAX, NewOrder, Order};
use domain::pending::{PendingEvent, PendingEvents};
use testkit::fault::{Fault, Operation};
use testkit::samples::{lines, stamp, user};
use testkit::world::World;

fn new_order(world: &World) -> NewOrder {
    let (at, attempt) = (world.clock.now(), world.identities.transaction_id());
    let price = |_| domain::money::Money::from_minor(100);
    let (order_id, event) = (world.identities.order_id(), stamp(&world.identities));
    let (order, _) =
        Order::create(order_id, user(123), &lines(&[(1, 1)]), price, at, event).unwrap();
    NewOrder::new(order, attempt, PendingEvent::sent(attempt, at, at))
}

/// The check of an attempt whose deadline is in 3 s.
fn check(world: &World, new: &NewOrder) -> CheckBack {
    CheckBack {
        topic: Some(Topic::Orders),
        transaction_id: Some(new.attempt()),
        event_id: Some(new.order().latest_event().stamp.event_id),
        aggregate: Some(new.order().key()),
        is_recorded: false,
        order_id: Some(new.order().id()),
        deadline: Some(world.clock.now().plus(Duration::from_secs(3))),
    }
}

async fn create(world: &World, new: &NewOrder) -> WriteTry<domain::order::AtKey> {
    world.tables.create(new, Deadline::after(Duration::from_secs(1))).await
}

/// Moves on to the moment from which an attempt may be fenced.
fn pass_deadline(world: &World) {
    world.clock.advance(Duration::from_secs(3) + lifetimes::CLOCK_MARGIN);
}

#[tokio::test(start_paused = true)]
async fn the_order_of_this_attempt_is_committed_and_that_of_another_rolled_back() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let checks = world.answer_checks();
    assert_eq!(checks.answer(check(&world, &new)).await, CheckAnswer::Commit);
    let other = CheckBack {
        transaction_id: Some(world.identities.transaction_id()),
        ..check(&world, &new)
    };
    // Even before its deadline: an order never leaves its key.
    assert_eq!(checks.answer(other).await, CheckAnswer::Rollback);
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_decided_before_the_deadline_and_its_margin() {
    let world = World::default();
    let new = new_order(&world);
    let check = check(&world, &new);
    pass_deadline(&world);
    world.clock.set_back(Duration::from_millis(1));
    assert_eq!(world.answer_checks().answer(check.clone()).await, CheckAnswer::Unknown);
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.answer_checks().answer(check).await, CheckAnswer::Rollback);
    assert!(matches!(create(&world, &new).await, WriteTry::Cancelled(_)), "the fence stands");
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_lost_against_the_order_is_answered_by_the_order() {
    let world = World::default();
    let new = new_order(&world);
    let check = check(&world, &new);
    pass_deadline(&world);
    // The write is stored between the read of the check and its fence.
    world.tables.script(Operation::CreateOrder, [Fault::LandsLate]);
    let put = create(&world, &new).await;
    assert!(matches!(put, WriteTry::Unknown(_)), "{put:?}");
    let tables = world.tables.clone();
    let checks = world.answer_checks();
    let landing = async {
        while tables.calls(Operation::AtKey) == 0 {
            tokio::task::yield_now().await;
        }
        tables.apply_late_writes();
    };
    let (answer, ()) = tokio::join!(checks.answer(check), landing);
    assert_eq!(answer, CheckAnswer::Commit);
}

#[tokio::test(start_paused = true)]
async fn after_a_fence_the_answer_is_what_is_found_even_if_the_fence_failed() {
    for (fault, expected) in [
        (Fault::Refused(FailureClass::Throttled), CheckAnswer::Unknown),
        (Fault::ReplyLost, CheckAnswer::Rollback),
        (Fault::RequestLost, CheckAnswer::Unknown),
        (Fault::LandsLate, CheckAnswer::Unknown),
    ] {
        let world = World::default();
        let new = new_order(&world);
        let check = check(&world, &new);
        pass_deadline(&world);
        world.tables.script(Operation::FenceAttempt, [fault]);
        assert_eq!(world.answer_checks().answer(check.clone()).await, expected, "{fault:?}");
        assert_eq!(world.answer_checks().answer(check).await, CheckAnswer::Rollback, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_left_open_and_settled_by_the_next_check() {
    for fault in [
        Fault::RequestLost,
        Fault::Refused(FailureClass::Unavailable),
        Fault::Refused(FailureClass::Permanent),
    ] {
        let world = World::default();
        let new = new_order(&world);
        let check = check(&world, &new);
        pass_deadline(&world);
        world.tables.script(Operation::AtKey, [fault]);
        let checks = world.answer_checks();
        assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown, "{fault:?}");
        assert_eq!(world.tables.calls(Operation::FenceAttempt), 0, "{fault:?}");
        assert_eq!(checks.answer(check).await, CheckAnswer::Rollback, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_after_a_fence_is_left_open() {
    let world = World::default();
    let new = new_order(&world);
    let check = check(&world, &new);
    pass_deadline(&world);
    let tables = world.tables.clone();
    let breaking = async {
        while tables.calls(Operation::FenceAttempt) == 0 {
            tokio::task::yield_now().await;
        }
        tables.fail_every_call(Operation::AtKey, Fault::Refused(FailureClass::Unavailable));
    };
    let checks = world.answer_checks();
    let (answer, ()) = tokio::join!(checks.answer(check.clone()), breaking);
    assert_eq!(answer, CheckAnswer::Unknown, "the fence may have lost against the order");
    world.tables.heal(Operation::AtKey);
    assert_eq!(checks.answer(check).await, CheckAnswer::Rollback);
}

#[tokio::test(start_paused = true)]
async fn a_created_order_is_committed_at_any_time() {
    let world = World::default();
    let new = new_order(&world);
    let check = check(&world, &new);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let checks = world.answer_checks();
    for _ in 0..3 {
        assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Commit);
        world.clock.advance(lifetimes::TOMBSTONE);
    }
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
}

/// A broker that is late in recording ends asks about a half message that has ended, and would make
/// a second visible copy of one that is committed twice.
#[tokio::test(start_paused = true)]
async fn a_half_message_whose_event_is_handled_is_left_open_for_a_while_and_then_committed() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let check = check(&world, &new);
    let checks = world.answer_checks();
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Commit, "it is pending");
    for mut handled in world.tables.stored_orders() {
        handled.pending = PendingEvents::default();
        world.tables.put_stored_order(handled);
    }
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown);
    world.clock.advance(Duration::from_secs(33));
    assert_eq!(checks.answer(check).await, CheckAnswer::Commit, "its end was lost");
}

/// If it is lost, the sweep publishes it again, so a commit before the broker has recorded the end
/// would gain nothing.
#[tokio::test(start_paused = true)]
async fn a_half_message_of_a_recorded_event_is_left_open_for_a_while_and_then_committed() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let recorded = CheckBack { is_recorded: true, ..check(&world, &new) };
    let checks = world.answer_checks();
    assert_eq!(checks.answer(recorded.clone()).await, CheckAnswer::Unknown, "it is pending");
    world.clock.advance(Duration::from_secs(33));
    assert_eq!(checks.answer(recorded).await, CheckAnswer::Commit, "its end was lost");
}

#[tokio::test(start_paused = true)]
async fn a_fenced_attempt_is_found_and_not_fenced_again() {
    let world = World::default();
    let new = new_order(&world);
    let check = check(&world, &new);
    pass_deadline(&world);
    for _ in 0..2 {
        assert_eq!(world.answer_checks().answer(check.clone()).await, CheckAnswer::Rollback);
    }
    let (tombstone, _) = world.tables.tombstone(user(123), new.order().id()).unwrap();
    assert!(tombstone.holds(new.attempt()));
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_tombstone_fences_no_further_attempt() {
    let world = World::default();
    let new = new_order(&world);
    let checks = world.answer_checks();
    let old = CheckBack { deadline: Some(world.clock.now()), ..check(&world, &new) };
    pass_deadline(&world);
    let check_of =
        |attempt: TransactionId| CheckBack { transaction_id: Some(attempt), ..old.clone() };
    for _ in 0..FENCED_MAX {
        let attempt = world.identities.transaction_id();
        assert_eq!(checks.answer(check_of(attempt)).await, CheckAnswer::Rollback);
    }
    assert_eq!(checks.answer(check_of(new.attempt())).await, CheckAnswer::Unknown);
    assert!(matches!(create(&world, &new).await, WriteTry::Done), "it was not fenced");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_event_is_committed_if_the_history_holds_it_and_never_rolled_back() {
    let world = World::default();
    let new = new_order(&world);
    let checks = world.answer_checks();
    let attempt = Some(world.identities.transaction_id());
    let recorded = CheckBack { is_recorded: true, transaction_id: attempt, ..check(&world, &new) };
    pass_deadline(&world);
    assert_eq!(checks.answer(recorded.clone()).await, CheckAnswer::Unknown, "there is no order");
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(checks.answer(recorded.clone()).await, CheckAnswer::Commit);
    let other = CheckBack { event_id: Some(world.identities.event_id()), ..recorded };
    assert_eq!(checks.answer(other).await, CheckAnswer::Unknown);
    let report = checks.report();
    assert_eq!((report.committed, report.rolled_back), (1, 0));
    assert_eq!((report.left_open, report.foreign), (2, 2));
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_another_deployment_is_left_open_and_counted() {
    let world = World::default();
    let new = new_order(&world);
    let whole = check(&world, &new);
    pass_deadline(&world);
    let checks = world.answer_checks();
    for foreign in [
        CheckBack { topic: None, ..whole.clone() },
        CheckBack { transaction_id: None, ..whole.clone() },
        CheckBack { event_id: None, ..whole.clone() },
        CheckBack { aggregate: None, ..whole.clone() },
        CheckBack { deadline: None, ..whole.clone() },
        CheckBack { aggregate: "USER#123".parse().ok(), ..whole },
    ] {
        assert_eq!(checks.answer(foreign).await, CheckAnswer::Unknown);
    }
    let expected = CheckReport { committed: 0, rolled_back: 0, left_open: 6, foreign: 6 };
    assert_eq!(checks.report(), expected);
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
}
