//! Consumes both topics in overlapping windows, so that one window is always running.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod config;
pub mod wiring;

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::ConsumptionReport;
use serde::{Deserialize, Serialize, Serializer};

use crate::wiring::Consumer;

/// Part of Lambda's time, reserved for the last event to time out and for the report.
const RESERVE: Duration = Duration::from_secs(8);

/// The input that the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    130
}

impl WindowEvent {
    /// The end of a window that begins now, in a process that may run for `time_left`.
    #[must_use]
    pub fn end(self, time_left: Duration) -> Deadline {
        let window = Deadline::after(Duration::from_secs(self.window_seconds));
        window.or_earlier(Deadline::after(time_left).less(RESERVE))
    }
}

/// The counts of one window.
#[derive(Debug, Clone, Copy)]
pub struct WindowReport(pub ConsumptionReport);

impl WindowReport {
    /// Adds the counts to the metrics, for alarms and the dashboard.
    pub fn count(&self) {
        for (metric, value) in self.0.metrics() {
            metrics::counter!(metric).increment(value);
        }
    }

    fn log(&self) {
        self.0.span().in_scope(|| tracing::info!("the window is over"));
    }
}

/// As one object of all numbers.
impl Serialize for WindowReport {
    fn serialize<Format: Serializer>(&self, format: Format) -> Result<Format::Ok, Format::Error> {
        format.collect_map(self.0.numbers())
    }
}

pub struct Handler {
    pub consume: Consumer,
}

impl Handler {
    /// Consumes events for a window, or while Lambda allows it, whichever is shorter. When this
    /// call returns, every received message is settled. Metrics are counted during the call, and
    /// `flush` is called after each count.
    pub async fn handle(
        &self,
        event: WindowEvent,
        time_left: Duration,
        flush: impl Fn(),
    ) -> WindowReport {
        let count = |report| {
            WindowReport(report).count();
            flush();
        };
        let report = WindowReport(self.consume.run_counting(event.end(time_left), count).await);
        report.log();
        report
    }
}
