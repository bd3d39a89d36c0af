//! Consumes both topics, in windows that overlap, so that one is always live.

pub mod config;

use std::time::Duration;

use application::consume_events::ConsumeEvents;
use application::deadline::Deadline;
use application::ports::{Clock, DeadLetterChannel, DeadLetters, EventSubscription};
use serde::{Deserialize, Serialize};

/// What is kept of Lambda's time for the last event to be given up and for the report.
const RESERVE: Duration = Duration::from_secs(8);

/// What the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    /// For how many seconds events are consumed.
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    130
}

/// What a window did.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WindowReport {
    /// Messages whose every handler has done its part.
    pub handled: u64,
    /// Messages that come again.
    pub postponed: u64,
    /// Messages that went to the dead letters.
    pub dead_lettered: u64,
    /// Requests for messages that failed.
    pub failed_receives: u64,
}

impl WindowReport {
    /// Counts it, for alarms and the dashboard.
    pub fn count(&self) {
        metrics::counter!("EventsHandled").increment(self.handled);
        metrics::counter!("EventsPostponed").increment(self.postponed);
        metrics::counter!("DeadLetters").increment(self.dead_lettered);
        metrics::counter!("FailedReceives").increment(self.failed_receives);
    }
}

/// The handler with what it needs.
pub struct Handler<S, D, A, K> {
    /// The use case.
    pub consume: ConsumeEvents<S, D, A, K>,
}

impl<S, D, A, K> Handler<S, D, A, K>
where
    S: EventSubscription,
    D: DeadLetters,
    A: DeadLetterChannel,
    K: Clock,
{
    /// Consumes for a window, or for as long as Lambda allows, whichever is shorter. Everything
    /// that was received is done with when it returns.
    pub async fn handle(&self, event: WindowEvent, time_left: Duration) -> WindowReport {
        let window = Deadline::after(Duration::from_secs(event.window_seconds));
        let deadline = window.or_earlier(Deadline::after(time_left).less(RESERVE));
        let report = self.consume.run(deadline).await;
        tracing::info!(
            handled = report.handled,
            postponed = report.postponed,
            dead_lettered = report.dead_lettered,
            failed_receives = report.failed_receives,
            "the window is over"
        );
        let report = WindowReport {
            handled: report.handled,
            postponed: report.postponed,
            dead_lettered: report.dead_lettered,
            failed_receives: report.failed_receives,
        };
        report.count();
        report
    }
}
