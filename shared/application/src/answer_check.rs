//! Tells the broker what became of a half message whose producer didn't.
//!
//! The answer comes from the record of the attempt and from nothing else. Where there is none and
//! the attempt's time is over, a **fence** is recorded first: a transaction that is still under way
//! then fails on it, so a rollback is final.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::identity::{EventId, TransactionId};

use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{
    CheckAnswer, CheckBack, CheckBackHandler, Clock, FenceOutcome, TransactionLedger,
    TransactionState,
};

/// The use case with the ports it needs.
pub struct AnswerCheck<L, K> {
    ledger: L,
    clock: K,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    committed: AtomicU64,
    rolled_back: AtomicU64,
    left_open: AtomicU64,
}

/// How many checks were answered how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckReport {
    /// With a commit.
    pub committed: u64,
    /// With a rollback.
    pub rolled_back: u64,
    /// With nothing decided.
    pub left_open: u64,
}

impl<L: TransactionLedger, K: Clock> AnswerCheck<L, K> {
    /// Answers from that ledger, by that clock.
    pub fn new(ledger: L, clock: K) -> Self {
        Self { ledger, clock, tally: Tally::default() }
    }

    /// How many checks were answered how, so far.
    pub fn report(&self) -> CheckReport {
        CheckReport {
            committed: self.tally.committed.load(Ordering::Relaxed),
            rolled_back: self.tally.rolled_back.load(Ordering::Relaxed),
            left_open: self.tally.left_open.load(Ordering::Relaxed),
        }
    }

    async fn decide(&self, check: &CheckBack) -> CheckAnswer {
        // Without readable ids, or on another deployment's topic, nothing is known and nothing may
        // be guessed.
        let (Some(_), Some(transaction_id), Some(event_id), Some(deadline)) =
            (check.topic, check.transaction_id, check.event_id, check.deadline)
        else {
            tracing::warn!(?check, "left a half message open that isn't this deployment's");
            return CheckAnswer::Unknown;
        };
        match self.ledger.state(transaction_id).await {
            Ok(Some(state)) => answer_of(state),
            Ok(None) if self.clock.now() < deadline.plus(lifetimes::CLOCK_MARGIN) => {
                CheckAnswer::Unknown
            }
            Ok(None) => self.retire(transaction_id, event_id).await,
            Err(failure) => left_open(&failure, "the attempt's record can't be read"),
        }
    }

    /// Decides an attempt whose time is over without a record of it.
    async fn retire(&self, transaction_id: TransactionId, event_id: EventId) -> CheckAnswer {
        // The outbox copy outlives the attempt's record while nobody has observed it.
        match self.ledger.attempt_that_recorded(event_id).await {
            Ok(Some(recorded)) if recorded == transaction_id => return CheckAnswer::Commit,
            Ok(_) => {}
            Err(failure) => return left_open(&failure, "the outbox copy can't be read"),
        }
        let expires_at = self.clock.now().plus(lifetimes::TRANSACTION);
        match self.ledger.fence(transaction_id, expires_at).await {
            FenceOutcome::Won => {
                tracing::info!("fenced an attempt");
                CheckAnswer::Rollback
            }
            FenceOutcome::Lost => match self.ledger.state(transaction_id).await {
                Ok(Some(state)) => answer_of(state),
                Ok(None) => CheckAnswer::Unknown,
                Err(failure) => left_open(&failure, "the attempt's record can't be read"),
            },
            FenceOutcome::Unknown(failure) => left_open(&failure, "the fence's fate is unknown"),
        }
    }
}

impl<L, K> CheckBackHandler for AnswerCheck<L, K>
where
    L: TransactionLedger + 'static,
    K: Clock + 'static,
{
    #[tracing::instrument(
        skip_all,
        fields(
            order_id = check.order_id.map(tracing::field::display),
            event_id = check.event_id.map(tracing::field::display),
            transaction_id = check.transaction_id.map(tracing::field::display),
        )
    )]
    async fn answer(&self, check: CheckBack) -> CheckAnswer {
        let answer = self.decide(&check).await;
        let counter = match answer {
            CheckAnswer::Commit => &self.tally.committed,
            CheckAnswer::Rollback => &self.tally.rolled_back,
            CheckAnswer::Unknown => &self.tally.left_open,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        tracing::info!(?answer, "answered a check-back");
        answer
    }
}

const fn answer_of(state: TransactionState) -> CheckAnswer {
    match state {
        TransactionState::Committed => CheckAnswer::Commit,
        TransactionState::Fenced => CheckAnswer::Rollback,
    }
}

fn left_open(failure: &Failure, why: &str) -> CheckAnswer {
    tracing::warn!(error = failure as &dyn std::error::Error, "left a half message open: {why}");
    CheckAnswer::Unknown
}
