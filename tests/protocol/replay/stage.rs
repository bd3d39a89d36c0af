//! The real use cases on the adapters in memory, and what is on the wire between them.

mod attempt;
mod create_order;
mod transaction_check;

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::Resolution;
use domain::identity::TransactionId;
use fastrand::Rng;
use testkit::broker::MemoryReceipt;
use testkit::clock::ManualClock;
use testkit::samples::product;
use testkit::world::World;

use super::{consumer, sweeper};
use crate::action::{Action, AttemptId};
use crate::variant::Variant;
use attempt::Attempt;

/// How many of its product can be promised. The order asks for one.
pub(crate) const STOCK: u32 = 10;

/// For how long the local transaction may be tried. No time passes that counts beside it.
const TRANSACTION: Duration = Duration::from_secs(24 * 60 * 60);

/// When it is over by any clock.
const MUCH_LATER: Duration = TRANSACTION.saturating_mul(3);

/// All processes, tables and messages of one path.
pub(crate) struct Stage {
    pub(crate) world: World,
    variant: Variant,
    pub(crate) attempts: Vec<Attempt>,
    /// The clock of transaction-check as it sweeps.
    sweeper_clock: ManualClock,
    /// A half message that the sweep could not commit, and that can still be checked.
    pub(crate) sweep_half: Option<MemoryReceipt>,
    /// What the model doesn't tell apart is drawn.
    rng: Rng,
}

impl Stage {
    /// Nothing has happened yet.
    pub(crate) fn new(variant: Variant, attempts: usize, seed: u64) -> Self {
        let world = World::default();
        world.tables.put_product(product(1, STOCK));
        Self {
            variant,
            attempts: (0..attempts).map(|_| Attempt::default()).collect(),
            sweeper_clock: world.clock.another(),
            sweep_half: None,
            rng: Rng::with_seed(seed),
            world,
        }
    }

    /// Takes one step of the model.
    pub(crate) async fn perform(&mut self, action: Action) {
        match action {
            Action::SendHalf(attempt) => self.send_half(attempt).await,
            Action::HalfAckLost(attempt) => self.half_ack_lost(attempt).await,
            Action::HalfLost(attempt) | Action::SkipHalf(attempt) => self.no_half(attempt).await,
            Action::SendTx(attempt) => {
                self.attempts[attempt].send_try();
            }
            Action::ApplyTx(attempt) => self.apply_tx(attempt).await,
            Action::ApplyTxReplyLost(attempt) => self.apply_tx_reply_lost(attempt).await,
            Action::LoseTx(attempt) => drop(self.attempts[attempt].lose_try()),
            Action::DelayTx(attempt) => self.attempts[attempt].delay_try(),
            Action::RefuseTx(attempt) => self.refuse_tx(attempt).await,
            Action::ApplyLateTx(attempt) => self.apply_late_tx(attempt).await,
            Action::ResendTx(attempt) => self.resend_tx(attempt).await,
            Action::GiveUp(attempt) => self.give_up(attempt).await,
            Action::End(attempt) => self.end(attempt).await,
            Action::Crash(attempt) => self.attempts[attempt].crash(),
            Action::RpcCommit(attempt) => self.rpc(attempt, Resolution::Commit).await,
            Action::RpcRollback(attempt) => self.rpc(attempt, Resolution::Rollback).await,
            Action::LoseCommit(attempt) => self.lose_commit(attempt).await,
            Action::LoseRollback(attempt) => self.lose_rollback(attempt).await,
            Action::DuplicateCommit(attempt) => self.duplicate_commit(attempt).await,
            Action::Check(attempt) | Action::SpuriousCheck(attempt) => self.check(attempt).await,
            Action::CheckLost(attempt) => self.check_lost(attempt).await,
            Action::Discard(attempt) => self.attempts[attempt].discarded = true,
            Action::SweepSends => self.sweep(true).await,
            Action::SweepCommitLost => self.sweep(false).await,
            Action::SweepCheck => self.sweep_check().await,
            Action::SweepDiscard => self.sweep_half = None,
            Action::Deliver(event) => consumer::deliver(&self.world, self.transaction(event)).await,
            Action::CrashBeforeAck(event) => {
                consumer::crash_before_ack(&self.world, self.transaction(event)).await;
            }
            Action::CrashBeforeEffect(event) => {
                consumer::crash_before_effect(&self.world, self.transaction(event)).await;
            }
        }
    }

    /// Everything arrives that is still on its way, and the sweep looks once more: none of it may
    /// change anything.
    pub(crate) async fn close(&mut self) {
        for attempt in 0..self.attempts.len() {
            while !self.attempts[attempt].late_tries.is_empty() {
                self.apply_late_tx(attempt).await;
            }
            while !self.attempts[attempt].ends.is_empty() {
                let resolution = self.attempts[attempt].ends[0].resolution;
                assert_eq!(resolution, Resolution::Rollback, "a COMMIT always changes something");
                self.rpc(attempt, resolution).await;
            }
        }
        sweeper::finds_nothing(&self.world, &self.sweeper_clock).await;
    }

    fn transaction(&self, attempt: AttemptId) -> TransactionId {
        self.attempts[attempt].transaction_id.expect("it has begun")
    }
}

/// A deadline that nothing here comes close to.
fn soon() -> Deadline {
    Deadline::after(TRANSACTION)
}
