//! A check-back is answered by what is stored at the order's key, and by nothing else.

use std::time::Duration;

use application::event::order_message;
use application::events::answer_check::CheckReport;
use application::lifetimes;
use application::ports::{
    CheckAnswer, CheckBack, CheckBackHandler, Clock, HalfMessage, IdentitySource, OrderCreation,
    Resolution, Topic, TransactionalPublisher,
};
use application::{
    deadline::Deadline,
    outcome::{FailureClass, WriteTry},
};
use domain::identity::TransactionId;
use domain::order::{FENCED_MAX, NewOrder, Order};
use domain::pending::{PendingEvent, PendingEvents};
use futures::FutureExt;
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

/// Moves on to the broker's next round of questions.
fn pass_round(world: &World) {
    world.clock.advance(Duration::from_secs(5));
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
        pass_round(&world);
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
    pass_round(&world);
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

/// Stores the message of an order's event as a half message, and commits it `commits` times.
async fn publish(world: &World, new: &NewOrder, commits: u32) -> CheckBack {
    let half = HalfMessage {
        message: &order_message(&new.order().latest_event()).unwrap(),
        transaction_id: new.attempt(),
        deadline: world.clock.now().plus(Duration::from_secs(3)),
        is_recorded: false,
    };
    let deadline = Deadline::after(Duration::from_secs(1));
    let receipt = world.broker.prepare(&half, deadline).await.unwrap();
    for _ in 0..commits {
        world.broker.end(&receipt, Resolution::Commit, deadline).await.unwrap();
    }
    world.broker.half(receipt).check_back()
}

/// Marks every event of every order as handled.
fn handle_all(world: &World) {
    for mut handled in world.tables.stored_orders() {
        handled.pending = PendingEvents::default();
        world.tables.put_stored_order(handled);
    }
}

/// A broker that is late in recording ends asks about a half message that has ended.
#[tokio::test(start_paused = true)]
async fn a_half_message_whose_message_is_on_the_topic_is_rolled_back_and_makes_no_copy() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let check = publish(&world, &new, 1).await;
    let recorded = CheckBack { is_recorded: true, ..check.clone() };
    let checks = world.answer_checks();
    for _ in 0..2 {
        assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Rollback);
        assert_eq!(checks.answer(recorded.clone()).await, CheckAnswer::Rollback);
        handle_all(&world);
        pass_round(&world);
    }
    assert_eq!(checks.take_report().rolled_back, 4);
}

#[tokio::test(start_paused = true)]
async fn the_message_of_another_publication_does_not_end_a_half_message() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    publish(&world, &new, 1).await;
    let attempt = Some(world.identities.transaction_id());
    let again = CheckBack { is_recorded: true, transaction_id: attempt, ..check(&world, &new) };
    assert_eq!(world.answer_checks().answer(again).await, CheckAnswer::Unknown);
}

/// A broker that adds messages to its index late does not find them at first.
#[tokio::test(start_paused = true)]
async fn a_handled_event_that_is_not_found_is_left_open_for_a_while_and_then_committed() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let check = publish(&world, &new, 0).await;
    let checks = world.answer_checks();
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Commit, "it is pending");
    handle_all(&world);
    pass_round(&world);
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown);
    world.clock.advance(Duration::from_secs(33));
    assert_eq!(checks.answer(check).await, CheckAnswer::Commit, "it is lost");
}

/// While the sweep publishes it, a commit before the broker has added the message to its index
/// would gain nothing.
#[tokio::test(start_paused = true)]
async fn a_recorded_event_that_is_not_found_is_left_open_for_a_while_and_then_committed() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let recorded = CheckBack { is_recorded: true, ..check(&world, &new) };
    let checks = world.answer_checks();
    assert_eq!(checks.answer(recorded.clone()).await, CheckAnswer::Unknown, "it is pending");
    world.clock.advance(Duration::from_secs(33));
    assert_eq!(checks.answer(recorded).await, CheckAnswer::Commit, "it is lost");
}

/// A copy is allowed, a loss is not.
#[tokio::test(start_paused = true)]
async fn an_event_of_which_the_brokers_say_nothing_is_committed_like_one_that_is_not_there() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let check = publish(&world, &new, 1).await;
    world.broker.become_unreachable();
    let checks = world.answer_checks();
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Commit, "it is pending");
    handle_all(&world);
    pass_round(&world);
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown);
    world.broker.become_reachable();
    pass_round(&world);
    assert_eq!(checks.answer(check).await, CheckAnswer::Rollback);
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
async fn a_recorded_event_is_committed_if_the_history_holds_it_and_left_open_if_it_does_not() {
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
    let report = checks.take_report();
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
        pass_round(&world);
    }
    let expected = CheckReport { left_open: 6, foreign: 6, ..CheckReport::default() };
    assert_eq!(checks.take_report(), expected);
    assert_eq!(checks.take_report(), CheckReport::default(), "each check is counted once");
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
}

#[tokio::test(start_paused = true)]
async fn one_copy_of_a_half_message_is_committed_and_the_others_rolled_back() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let (check, checks) = (check(&world, &new), world.answer_checks());
    // A broker that was killed asks about many copies of it in one round.
    let answers = futures::future::join_all((0..20).map(|_| checks.answer(check.clone()))).await;
    let commits = answers.iter().filter(|answer| **answer == CheckAnswer::Commit).count();
    assert_eq!(commits, 1, "{answers:?}");
    let report = checks.take_report();
    assert_eq!((report.committed, report.rolled_back, report.left_open), (1, 0, 19));
    assert_eq!(report.repeated, 19);

    // The message is not in the broker's index yet.
    pass_round(&world);
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown);
    publish(&world, &new, 1).await;
    pass_round(&world);
    let answers = futures::future::join_all((0..20).map(|_| checks.answer(check.clone()))).await;
    assert!(answers.iter().all(|answer| *answer == CheckAnswer::Rollback), "{answers:?}");
    let report = checks.take_report();
    assert_eq!((report.committed, report.rolled_back, report.left_open), (0, 20, 1));
    assert_eq!(report.repeated, 19);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_lost_is_repeated_half_a_minute_later() {
    let world = World::default();
    let new = new_order(&world);
    assert!(matches!(create(&world, &new).await, WriteTry::Done));
    let (check, checks) = (check(&world, &new), world.answer_checks());
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Commit);
    for _ in 0..5 {
        pass_round(&world);
        assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown);
    }
    pass_round(&world);
    assert_eq!(checks.answer(check).await, CheckAnswer::Commit);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_took_too_long_is_worked_out_again() {
    let world = World::default();
    let new = new_order(&world);
    pass_deadline(&world);
    let (check, checks) = (check(&world, &new), world.answer_checks());
    pass_deadline(&world);
    // The time for an answer is over while the table is read.
    assert_eq!(checks.answer(check.clone()).now_or_never(), None);
    assert_eq!(checks.answer(check.clone()).await, CheckAnswer::Unknown);
    pass_round(&world);
    assert_eq!(checks.answer(check).await, CheckAnswer::Rollback);
}
