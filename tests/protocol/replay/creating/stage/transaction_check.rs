//! transaction-check: the answers to check-backs, and half messages that the sweep left open.

use application::events::answer_check::AnswerCheck;
use application::outcome::{FailureClass, WriteTry};
use application::ports::{CheckAnswer, CheckBackHandler, Resolution, TransactionalPublisher};
use testkit::broker::StoredHalf;
use testkit::clock::ManualClock;
use testkit::fault::{Fault, Operation};

use super::{MUCH_LATER, Stage, away, order_id, soon, user_id};
use crate::creating::action::AttemptId;
use crate::replay::creating::attempt::{Checker, EndOnItsWay};
use crate::replay::creating::sweeper;
use crate::replay::creating::wire::{Call, Wire};
use crate::replay::process::{Process, Step};

impl Stage {
    pub(super) async fn check(&mut self, attempt: AttemptId) {
        let mut process = self.checker(&self.half(attempt));
        match process.go_on().await {
            Step::Finished(answer) => self.is_answered(attempt, answer),
            Step::Called(Call::Fence(fence, reply)) => {
                self.attempts[attempt].checkers.push(Checker { process, fence, reply });
            }
            Step::Called(_) => panic!("a checker does nothing but fence"),
        }
    }

    /// The checker reads again, whether or not it gets the answer to its fence.
    pub(super) async fn fence(&mut self, attempt: AttemptId) {
        let Checker { mut process, fence, reply } = self.take_checker(attempt);
        let fenced = fence.arrive(&self.world.tables).await;
        let is_answered = self.rng.bool();
        drop(reply.send(if is_answered { fenced } else { WriteTry::Unknown(away()) }));
        let Step::Finished(answer) = process.go_on().await else { panic!("a second fence") };
        self.is_answered(attempt, answer);
    }

    pub(super) async fn crash_after_fence(&mut self, attempt: AttemptId) {
        let Checker { fence, .. } = self.take_checker(attempt);
        // The fence is refused if there is an order.
        drop(fence.arrive(&self.world.tables).await);
    }

    /// One of the checkers that are about to fence an attempt.
    pub(super) fn take_checker(&mut self, attempt: AttemptId) -> Checker {
        let checkers = &mut self.attempts[attempt].checkers;
        checkers.swap_remove(self.rng.usize(..checkers.len()))
    }

    fn is_answered(&mut self, attempt: AttemptId, answer: CheckAnswer) {
        let resolution = match answer {
            CheckAnswer::Commit => Resolution::Commit,
            CheckAnswer::Rollback => Resolution::Rollback,
            CheckAnswer::Unknown => panic!("an attempt whose time is over is left open"),
        };
        self.attempts[attempt].ends.push(EndOnItsWay { resolution, reply: None });
    }

    /// No checker can be asked, or the one that is asked cannot answer.
    pub(super) async fn lose_check(&mut self, attempt: AttemptId) {
        let (operation, clock) = match self.rng.u8(..4) {
            0 => (Some(Operation::AtKey), self.late_clock()),
            1 if self.may_still_land(attempt) => (None, self.world.clock.clone()),
            // A failed fence is not a step of the model, and has the same effect.
            2 if self.may_still_land(attempt) => (Some(Operation::FenceAttempt), self.late_clock()),
            _ => return,
        };
        let fault = Fault::Refused(FailureClass::Unavailable);
        self.world.tables.script(operation.unwrap_or(Operation::AtKey), operation.map(|_| fault));
        let (tables, topics) = (self.world.tables.clone(), self.world.broker.clone());
        let checker = AnswerCheck::new(tables.clone(), tables, topics, clock);
        let answer = checker.answer(self.half(attempt).check_back()).await;
        assert_eq!(answer, CheckAnswer::Unknown);
    }

    pub(crate) fn may_still_land(&self, attempt: AttemptId) -> bool {
        let tombstone = self.world.tables.tombstone(user_id(), order_id());
        let transaction_id = self.attempts[attempt].transaction_id.expect("it has begun");
        self.world.tables.stored_order(order_id()).is_none()
            && !tombstone.is_some_and(|(tombstone, _)| tombstone.holds(transaction_id))
    }

    /// By it, every deadline has passed.
    fn late_clock(&self) -> ManualClock {
        let clock = self.world.clock.another();
        clock.advance(MUCH_LATER);
        clock
    }

    fn checker(&self, half: &StoredHalf) -> Process<CheckAnswer, Call> {
        let (wire, calls) = Wire::new(self.world.tables.clone());
        let topics = self.world.broker.clone();
        let checker = AnswerCheck::new(wire.clone(), wire, topics, self.late_clock());
        let check = half.check_back();
        Process::new(async move { checker.answer(check).await }, calls)
    }

    fn half(&self, attempt: AttemptId) -> StoredHalf {
        self.world.broker.half(self.attempts[attempt].half.expect("it has a half message"))
    }

    pub(super) async fn lose_sweep_commit(&mut self) {
        let dies = self.rng.bool();
        let receipt = sweeper::sends_in_vain(&self.world, &self.sweeper_clock, dies).await;
        self.sweep_half = Some(receipt);
    }

    pub(super) async fn check_sweep_half(&mut self) {
        let receipt = self.sweep_half.take().expect("the sweep has a half message");
        let mut checker = self.checker(&self.world.broker.half(receipt));
        let Step::Finished(answer) = checker.go_on().await else { panic!("it is recorded") };
        let resolution = match answer {
            CheckAnswer::Commit => Resolution::Commit,
            CheckAnswer::Rollback => Resolution::Rollback,
            CheckAnswer::Unknown => panic!("a half message of the sweep is left open"),
        };
        self.world.broker.end(&receipt, resolution, soon()).await.unwrap();
    }
}
