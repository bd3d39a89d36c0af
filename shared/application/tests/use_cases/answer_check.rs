//! The answer comes from the record of the attempt and from nothing else.

use std::time::Duration;

use application::answer_check::{AnswerCheck, CheckReport};
use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{
    CheckAnswer, CheckBack, CheckBackHandler, Clock, FenceOutcome, OrderRepository, Topic,
    TransactionLedger, TransactionState,
};
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;
use testkit::fault::{Fault, Operation};
use testkit::samples::{TakenOrder, taken, user};
use testkit::tables::MemoryTables;
use testkit::world::World;

fn order(world: &World) -> TakenOrder {
    taken(&world.identities, user(123), &[(1, 1)], world.clock.now())
}

/// The check of an attempt whose deadline is in 3 s.
fn check(world: &World, order: &TakenOrder) -> CheckBack {
    CheckBack {
        aggregate: order.event.message.aggregate,
        is_recorded: false,
        order_id: Some(order.order.id()),
        topic: Some(Topic::Orders),
        transaction_id: Some(order.event.transaction_id),
        event_id: Some(order.event.message.event_id),
        deadline: Some(world.clock.now().plus(Duration::from_secs(3))),
    }
}

/// Moves on to the moment from which an attempt may be fenced.
fn end_its_time(world: &World) {
    world.clock.advance(Duration::from_secs(3) + lifetimes::CLOCK_MARGIN);
}

async fn place(tables: &MemoryTables, order: &TakenOrder) {
    let deadline = Deadline::after(Duration::from_secs(1));
    let placed = tables.place(&order.placement(), deadline).await;
    assert!(matches!(placed, WriteTry::Done), "{placed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_committed_attempt_is_committed_at_any_time() {
    let world = World::default();
    let order = order(&world);
    let check = check(&world, &order);
    place(&world.tables, &order).await;
    assert_eq!(world.answer_check().answer(check.clone()).await, CheckAnswer::Commit);
    end_its_time(&world);
    assert_eq!(world.answer_check().answer(check).await, CheckAnswer::Commit);
    assert_eq!(world.tables.calls(Operation::Fence), 0);
}

#[tokio::test(start_paused = true)]
async fn before_its_deadline_and_the_margin_an_attempt_is_left_open() {
    let world = World::default();
    let order = order(&world);
    let check = check(&world, &order);
    let handler = world.answer_check();
    assert_eq!(handler.answer(check.clone()).await, CheckAnswer::Unknown);
    world.clock.advance(Duration::from_secs(3) + lifetimes::CLOCK_MARGIN);
    world.clock.set_back(Duration::from_millis(1));
    assert_eq!(handler.answer(check).await, CheckAnswer::Unknown);
    assert_eq!(world.tables.attempts(), []);
}

#[tokio::test(start_paused = true)]
async fn after_its_deadline_an_attempt_without_a_record_is_fenced_and_rolled_back() {
    let world = World::default();
    let order = order(&world);
    let check = check(&world, &order);
    end_its_time(&world);
    let handler = world.answer_check();
    for _ in 0..2 {
        assert_eq!(handler.answer(check.clone()).await, CheckAnswer::Rollback);
    }
    let fenced = (order.event.transaction_id, TransactionState::Fenced);
    assert_eq!(world.tables.attempts(), [fenced]);
    assert_eq!(world.tables.calls(Operation::Fence), 1, "the second time it is found");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_attempt_recorded_speaks_for_it_when_its_record_has_expired() {
    let world = World::default();
    let order = order(&world);
    let check = check(&world, &order);
    place(&world.tables, &order).await;
    world.tables.forget_attempt(order.event.transaction_id);
    end_its_time(&world);
    assert_eq!(world.answer_check().answer(check).await, CheckAnswer::Commit);
    assert_eq!(world.tables.attempts(), [], "nothing is fenced");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_attempt_recorded_speaks_for_that_one_alone() {
    let world = World::default();
    let order = order(&world);
    place(&world.tables, &order).await;
    let mut abandoned = order.clone();
    abandoned.event.transaction_id =
        taken(&world.identities, user(1), &[(1, 1)], order.at).event.transaction_id;
    let check = check(&world, &abandoned);
    end_its_time(&world);
    assert_eq!(world.answer_check().answer(check).await, CheckAnswer::Rollback);
    let state = |of: &TakenOrder| {
        let attempts = world.tables.attempts();
        attempts.into_iter().find(|(id, _)| *id == of.event.transaction_id).unwrap().1
    };
    assert_eq!(state(&order), TransactionState::Committed);
    assert_eq!(state(&abandoned), TransactionState::Fenced);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_this_deployments_is_left_open_and_counted() {
    let world = World::default();
    let order = order(&world);
    let whole = check(&world, &order);
    end_its_time(&world);
    let handler = world.answer_check();
    for foreign in [
        CheckBack { topic: None, ..whole.clone() },
        CheckBack { transaction_id: None, ..whole.clone() },
        CheckBack { event_id: None, ..whole.clone() },
        CheckBack { deadline: None, ..whole.clone() },
    ] {
        assert_eq!(handler.answer(foreign).await, CheckAnswer::Unknown);
    }
    assert_eq!(world.tables.attempts(), []);
    assert_eq!(handler.report(), CheckReport { committed: 0, rolled_back: 0, left_open: 4 });
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_or_written_leaves_the_attempt_open() {
    for (operation, fault) in [
        (Operation::State, Fault::Refused(FailureClass::Unavailable)),
        (Operation::State, Fault::Refused(FailureClass::Permanent)),
        (Operation::AttemptThatRecorded, Fault::Refused(FailureClass::Throttled)),
        (Operation::Fence, Fault::ReplyLost),
        (Operation::Fence, Fault::RequestLost),
        (Operation::Fence, Fault::Refused(FailureClass::Throttled)),
    ] {
        let world = World::default();
        let order = order(&world);
        let check = check(&world, &order);
        end_its_time(&world);
        world.tables.script(operation, [fault]);
        let handler = world.answer_check();
        let answer = handler.answer(check.clone()).await;
        assert_eq!(answer, CheckAnswer::Unknown, "{operation:?} {fault:?}");
        // The next check settles it, whatever became of the fence.
        assert_eq!(handler.answer(check).await, CheckAnswer::Rollback, "{operation:?} {fault:?}");
    }
}

/// A ledger in which an attempt's transaction lands just before its fence.
struct Overtaken {
    tables: MemoryTables,
    order: TakenOrder,
    /// Whether the record can be read once the fence is lost.
    readable: bool,
}

impl TransactionLedger for Overtaken {
    async fn state(&self, id: TransactionId) -> Result<Option<TransactionState>, Failure> {
        self.tables.state(id).await
    }

    async fn attempt_that_recorded(&self, id: EventId) -> Result<Option<TransactionId>, Failure> {
        self.tables.attempt_that_recorded(id).await
    }

    async fn fence(&self, id: TransactionId, expires_at: Timestamp) -> FenceOutcome {
        place(&self.tables, &self.order).await;
        if !self.readable {
            self.tables.break_down(Operation::State, Fault::Refused(FailureClass::Unavailable));
        }
        self.tables.fence(id, expires_at).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_is_lost_to_a_commit_commits() {
    for (readable, expected) in [(true, CheckAnswer::Commit), (false, CheckAnswer::Unknown)] {
        let world = World::default();
        let order = order(&world);
        let check = check(&world, &order);
        end_its_time(&world);
        let ledger = Overtaken { tables: world.tables.clone(), order, readable };
        let handler = AnswerCheck::new(ledger, world.clock.clone());
        assert_eq!(handler.answer(check).await, expected);
    }
}
