//! The real use cases on the adapters in memory, and the wire between them.

mod ends;
mod half_message;
mod put;
mod transaction_check;

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::identity::{created_event_of, order_of_key};
use application::outcome::{Failure, FailureClass};
use application::ports::{IdempotencyKey, Resolution};
use domain::identity::{EventId, OrderId, UserId};
use fastrand::Rng;
use testkit::broker::MemoryReceipt;
use testkit::clock::ManualClock;
use testkit::samples::{key, product, user};
use testkit::world::World;

use super::attempt::Attempt;
use super::view::View;
use super::{consumer, sweeper};
use crate::creating::action::Action;
use crate::creating::protocol::Creating;
use crate::creating::state::State;
use crate::replay;

/// Of the order's product. The order reserves one unit.
pub(crate) const STOCK: u32 = 10;

/// How long a request tries to store a half message. This time passes while the broker is away.
const HALF_MESSAGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a put may be tried. All other times are short in comparison.
const TRANSACTION: Duration = HALF_MESSAGE.saturating_mul(365);

/// After this time every deadline has passed, by any clock.
pub(crate) const MUCH_LATER: Duration = TRANSACTION.saturating_mul(3);

pub(crate) struct Stage {
    pub(crate) world: World,
    protocol: Creating,
    pub(crate) attempts: Vec<Attempt>,
    sweeper_clock: ManualClock,
    /// A half message that the sweep could not commit, and that can still be checked.
    pub(crate) sweep_half: Option<MemoryReceipt>,
    /// Draws choices that the model doesn't distinguish.
    rng: Rng,
}

impl replay::Stage for Stage {
    type Protocol = Creating;
    type View = View;

    async fn new(protocol: &Creating, seed: u64) -> Self {
        let world = World::default();
        world.tables.put_product(product(1, STOCK));
        Self {
            protocol: *protocol,
            attempts: (0..protocol.bounds.attempts).map(|_| Attempt::default()).collect(),
            sweeper_clock: world.clock.another(),
            sweep_half: None,
            rng: Rng::with_seed(seed),
            world,
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::SendHalf(attempt) => self.send_half(attempt).await,
            Action::LoseHalfAnswer(attempt) => self.lose_half_answer(attempt).await,
            Action::GoOnWithoutHalf(attempt) => self.go_on_without_half(attempt).await,
            Action::SkipHalf(attempt) => self.skip_half(attempt).await,
            Action::RefuseWithoutHalf(attempt) => self.refuse_without_half(attempt).await,
            Action::RefuseRequest(attempt) => self.refuse_request(attempt).await,
            Action::SendPut(attempt) => {
                self.attempts[attempt].send_put();
            }
            Action::ApplyPut(attempt) => self.apply_put(attempt).await,
            Action::LosePutAnswer(attempt) => self.lose_put_answer(attempt).await,
            Action::DropPut(attempt) => drop(self.attempts[attempt].lose_put()),
            Action::DelayPut(attempt) => self.attempts[attempt].delay_put(),
            Action::RefusePut(attempt) => self.refuse_put(attempt).await,
            Action::ApplyLatePut(attempt) => self.apply_late_put(attempt).await,
            Action::ResendPut(attempt) => self.resend_put(attempt).await,
            Action::GiveUp(attempt) => self.give_up(attempt).await,
            Action::End(attempt) => self.end(attempt).await,
            Action::Crash(attempt) => self.attempts[attempt].crash(),
            Action::ApplyCommit(attempt) => self.arrive(attempt, Resolution::Commit).await,
            Action::ApplyRollback(attempt) => self.arrive(attempt, Resolution::Rollback).await,
            Action::LoseCommit(attempt) => self.lose_commit(attempt).await,
            Action::LoseRollback(attempt) => self.lose_rollback(attempt).await,
            Action::DuplicateCommit(attempt) => self.duplicate_commit(attempt).await,
            Action::Check(attempt) | Action::CheckEnded(attempt) => self.check(attempt).await,
            Action::LoseCheck(attempt) => self.lose_check(attempt).await,
            Action::Discard(attempt) => self.attempts[attempt].discarded = true,
            Action::Fence(attempt) => self.fence(attempt).await,
            Action::CrashBeforeFence(attempt) => drop(self.take_checker(attempt)),
            Action::CrashAfterFence(attempt) => self.crash_after_fence(attempt).await,
            Action::Sweep => sweeper::sends(&self.world, &self.sweeper_clock).await,
            Action::ClaimInVain => sweeper::claims_in_vain(&self.world, &self.sweeper_clock).await,
            Action::LoseSweepCommit => self.lose_sweep_commit().await,
            Action::CheckSweepHalf => self.check_sweep_half().await,
            Action::DiscardSweepHalf => self.sweep_half = None,
            Action::Deliver => consumer::deliver(&self.world, created_event()).await,
        }
    }

    /// Also lets the sweep look once more.
    async fn close(&mut self) {
        for attempt in 0..self.attempts.len() {
            while !self.attempts[attempt].late_puts.is_empty() {
                self.apply_late_put(attempt).await;
            }
            while !self.attempts[attempt].ends.is_empty() {
                let resolution = self.attempts[attempt].ends[0].resolution;
                assert_eq!(resolution, Resolution::Rollback, "a COMMIT always changes something");
                self.arrive(attempt, resolution).await;
            }
        }
        sweeper::finds_nothing(&self.world, &self.sweeper_clock).await;
    }

    fn view(&self) -> View {
        self.seen()
    }

    fn expected(&self, state: &State) -> View {
        View::of_model(&self.protocol, state).without_answers_of(self)
    }
}

pub(crate) fn user_id() -> UserId {
    user(123)
}

fn intent() -> IdempotencyKey {
    key("intent")
}

/// The one order that all attempts are to create.
pub(crate) fn order_id() -> OrderId {
    order_of_key(user_id(), &intent())
}

pub(crate) fn created_event() -> EventId {
    created_event_of(order_id())
}

/// No call here takes that long.
fn soon() -> Deadline {
    Deadline::after(TRANSACTION)
}

pub(crate) fn away() -> Failure {
    Failure::new(FailureClass::Unavailable, "the call was lost")
}
