//! Answers check-backs, and publishes what no consumer has seen.
//!
//! It is the only live member of the group that brokers ask. Functions that create orders are not
//! members of that group, because a broker asks any member that is connected, and a frozen Lambda
//! is connected but doesn't answer. As it is connected and awake for most of the time, it sweeps as
//! well, and reads the cluster's gauges for alarms.

pub mod config;
pub mod gauges;

use std::sync::Arc;
use std::time::Duration;

use application::answer_check::{AnswerCheck, CheckReport};
use application::deadline::Deadline;
use application::ports::{Clock, Outbox, TransactionLedger, UnobservedEvents};
use application::publish_recorded_event::PublishRecordedEvent;
use application::sweep::{Pace, Sweep, SweepReport};
use rocketmq::checked_group::{CheckedGroup, JoinError};
use rocketmq::client::RocketmqClient;
use rocketmq::config::RocketmqConfig;
use rocketmq::publisher::RocketmqPublisher;
use serde::{Deserialize, Serialize};

use crate::gauges::Gauges;

/// What is kept of Lambda's time to leave the group and report.
const RESERVE: Duration = Duration::from_secs(3);

/// What the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    /// For how many seconds check-backs are answered and events swept.
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    50
}

/// What a window did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    /// Half messages that were committed.
    pub committed: u64,
    /// Half messages that were rolled back.
    pub rolled_back: u64,
    /// Checks that were answered with nothing decided.
    pub left_open: u64,
    /// Events that the sweep sent.
    pub sent: u64,
    /// Events that the sweep found on their topic, still waiting for their consumer.
    pub found: u64,
    /// Those of `found` that have waited for so long that an operator should look.
    pub overdue: u64,
    /// Events that the sweep could not deal with. They come up again.
    pub left: u64,
    /// Looks of the sweep that told something.
    pub looks: u64,
    /// Looks of the sweep that failed, as a whole or in part.
    pub failed_looks: u64,
    /// How long the oldest event that the sweep dealt with had waited, in milliseconds. It means
    /// nothing when no look told anything.
    pub oldest_ms: u64,
}

impl WindowReport {
    /// Counts it, for alarms and the dashboard.
    #[expect(clippy::cast_precision_loss, reason = "an age in seconds needs no 53 bits")]
    pub fn count(&self) {
        metrics::counter!("ChecksCommitted").increment(self.committed);
        metrics::counter!("ChecksRolledBack").increment(self.rolled_back);
        metrics::counter!("EventsSwept").increment(self.sent);
        metrics::counter!("FailedLooks").increment(self.failed_looks);
        // A sample for each window, also of 0, so that an alarm sees that all is well; but none of
        // what was not seen, for which the alarm on FailedLooks is there.
        if self.looks > 0 {
            metrics::histogram!("OldestUnobservedEventSeconds").record(self.oldest_ms as f64 / 1e3);
        }
    }

    fn of(checks: CheckReport, sweep: SweepReport) -> Self {
        Self {
            committed: checks.committed,
            rolled_back: checks.rolled_back,
            left_open: checks.left_open,
            sent: sweep.sent,
            found: sweep.found,
            overdue: sweep.overdue,
            left: sweep.left,
            looks: sweep.looks,
            failed_looks: sweep.failed_looks,
            oldest_ms: u64::try_from(sweep.oldest.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The handler with what it needs.
pub struct Handler<L, U, O, K> {
    /// Whose check-backs it answers, and where it publishes.
    pub rocketmq: RocketmqConfig,
    /// The record of attempts.
    pub ledger: L,
    /// The events that nobody has seen.
    pub unobserved: U,
    /// Where they are claimed.
    pub outbox: O,
    /// The wall clock.
    pub clock: K,
}

impl<L, U, O, K> Handler<L, U, O, K>
where
    L: TransactionLedger + Clone + 'static,
    U: UnobservedEvents + Clone,
    O: Outbox + Clone,
    K: Clock + Clone + 'static,
{
    /// Joins the group, answers and sweeps for a window, or for as long as Lambda allows, whichever
    /// is shorter, and leaves again.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the client can't be started.
    pub async fn handle(
        &self,
        event: WindowEvent,
        time_left: Duration,
    ) -> Result<WindowReport, JoinError> {
        let window = Duration::from_secs(event.window_seconds);
        let end = Deadline::after(window.min(time_left.saturating_sub(RESERVE)));
        // A client of its own for each window: the process was frozen in between, and the broker
        // should not count on a member that is.
        let client = RocketmqClient::start(self.rocketmq.clone())?;
        let answers = Arc::new(AnswerCheck::new(self.ledger.clone(), self.clock.clone()));
        let group = CheckedGroup::join(client.clone(), Arc::clone(&answers)).await?;
        let publisher = RocketmqPublisher::connect(client, self.clock.clone()).await;
        let sweep = self.sweep(&publisher);
        let (swept, gauges) = futures::join!(sweep.run(end), Gauges::read(&publisher));
        gauges.count();
        tokio::time::sleep(end.remaining()).await;
        publisher.shutdown().await;
        group.leave().await;
        let report = WindowReport::of(answers.report(), swept);
        tracing::info!(
            committed = report.committed,
            rolled_back = report.rolled_back,
            left_open = report.left_open,
            sent = report.sent,
            found = report.found,
            overdue = report.overdue,
            left = report.left,
            looks = report.looks,
            failed_looks = report.failed_looks,
            oldest_ms = report.oldest_ms,
            "the window is over"
        );
        report.count();
        Ok(report)
    }

    fn sweep(
        &self,
        publisher: &RocketmqPublisher,
    ) -> Sweep<U, RocketmqPublisher, O, RocketmqPublisher, K> {
        Sweep {
            unobserved: self.unobserved.clone(),
            published: publisher.clone(),
            publication: PublishRecordedEvent {
                outbox: self.outbox.clone(),
                publisher: publisher.clone(),
                clock: self.clock.clone(),
            },
            pace: Pace::default(),
        }
    }
}
