//! transaction-check: the answers to check-backs, and the sweep.

use application::answer_check::AnswerCheck;
use application::outcome::FailureClass;
use application::ports::{CheckAnswer, CheckBackHandler, Resolution, TransactionalPublisher};
use testkit::broker::StoredHalf;
use testkit::clock::ManualClock;
use testkit::fault::{Fault, Operation};

use super::attempt::EndOnItsWay;
use super::{MUCH_LATER, Stage, soon};
use crate::action::AttemptId;
use crate::replay::sweeper;

impl Stage {
    pub(super) async fn check(&mut self, attempt: AttemptId) {
        let answer = self.answer(attempt, &self.late_clock()).await;
        let resolution = match answer {
            CheckAnswer::Commit => Resolution::Commit,
            CheckAnswer::Rollback => Resolution::Rollback,
            CheckAnswer::Unknown => return,
        };
        self.attempts[attempt].ends.push(EndOnItsWay { resolution, reply: None });
    }

    /// Nobody is there to be asked, or whoever is can't tell.
    pub(super) async fn check_lost(&mut self, attempt: AttemptId) {
        let transaction_id = self.transaction(attempt);
        let recorded = self.world.tables.attempts().iter().any(|(id, _)| *id == transaction_id);
        let answer = match self.rng.u8(..3) {
            0 => {
                let away = Fault::Refused(FailureClass::Unavailable);
                self.world.tables.script(Operation::State, [away]);
                self.answer(attempt, &self.late_clock()).await
            }
            1 if !recorded => self.answer(attempt, &self.world.clock).await,
            _ => return,
        };
        assert_eq!(answer, CheckAnswer::Unknown);
    }

    async fn answer(&self, attempt: AttemptId, clock: &ManualClock) -> CheckAnswer {
        let checker = AnswerCheck::new(self.world.tables.clone(), clock.clone());
        checker.answer(self.half(attempt).check_back()).await
    }

    /// A clock by which every deadline has passed.
    fn late_clock(&self) -> ManualClock {
        let clock = self.world.clock.another();
        clock.advance(MUCH_LATER);
        clock
    }

    pub(super) async fn sweep(&mut self, acknowledged: bool) {
        let receipt = sweeper::sends(&self.world, &self.sweeper_clock, acknowledged).await;
        self.sweep_half = if acknowledged { self.sweep_half } else { Some(receipt) };
    }

    pub(super) async fn sweep_check(&mut self) {
        let receipt = self.sweep_half.take().expect("the sweep has a half message");
        let half = self.world.broker.half(receipt);
        let checker = AnswerCheck::new(self.world.tables.clone(), self.late_clock());
        assert_eq!(checker.answer(half.check_back()).await, CheckAnswer::Commit);
        self.world.broker.end(&receipt, Resolution::Commit, soon()).await.unwrap();
    }

    /// An attempt's half message.
    fn half(&self, attempt: AttemptId) -> StoredHalf {
        self.world.broker.half(self.attempts[attempt].half.expect("it has a half message"))
    }
}
