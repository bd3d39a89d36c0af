//! Answers check-backs: the only live member of the group that brokers ask.
//!
//! Functions that create orders are not members of that group, because a broker asks any member that
//! is connected, and a frozen Lambda is connected but doesn't answer.

pub mod config;

use std::sync::Arc;
use std::time::Duration;

use application::answer_check::AnswerCheck;
use application::ports::{Clock, TransactionLedger};
use rocketmq::checked_group::{CheckedGroup, JoinError};
use rocketmq::config::RocketmqConfig;
use serde::{Deserialize, Serialize};

/// What is kept of Lambda's time to leave the group and report.
const RESERVE: Duration = Duration::from_secs(3);

/// What the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    /// For how many seconds check-backs are answered.
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    50
}

/// What a window did.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WindowReport {
    /// Half messages that were committed.
    pub committed: u64,
    /// Half messages that were rolled back.
    pub rolled_back: u64,
    /// Checks that were answered with nothing decided.
    pub left_open: u64,
}

/// The handler with what it needs.
pub struct Handler<L, K> {
    /// Whose check-backs it answers.
    pub rocketmq: RocketmqConfig,
    /// The record of attempts.
    pub ledger: L,
    /// The wall clock.
    pub clock: K,
}

impl<L, K> Handler<L, K>
where
    L: TransactionLedger + Clone + 'static,
    K: Clock + Clone + 'static,
{
    /// Joins the group, answers for a window, or for as long as Lambda allows, whichever is shorter,
    /// and leaves again.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the client can't be started.
    pub async fn handle(
        &self,
        event: WindowEvent,
        time_left: Duration,
    ) -> Result<WindowReport, JoinError> {
        let answers = Arc::new(AnswerCheck::new(self.ledger.clone(), self.clock.clone()));
        let window = Duration::from_secs(event.window_seconds);
        let group = CheckedGroup::join(self.rocketmq.clone(), Arc::clone(&answers)).await?;
        tokio::time::sleep(window.min(time_left.saturating_sub(RESERVE))).await;
        group.leave().await;
        let report = answers.report();
        tracing::info!(
            committed = report.committed,
            rolled_back = report.rolled_back,
            left_open = report.left_open,
            "the window is over"
        );
        Ok(WindowReport {
            committed: report.committed,
            rolled_back: report.rolled_back,
            left_open: report.left_open,
        })
    }
}
