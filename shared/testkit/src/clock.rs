//! A wall clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use application::ports::Clock;
use domain::timestamp::Timestamp;

/// Follows tokio's clock, which a test may pause, and can also be moved. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    started: tokio::time::Instant,
    start: Timestamp,
    moved_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// Shows `start` now.
    pub fn at(start: Timestamp) -> Self {
        Self { started: tokio::time::Instant::now(), start, moved_ms: Arc::default() }
    }

    /// The clock of another machine. It shows the same time until one of the two is moved.
    #[must_use]
    pub fn another(&self) -> Self {
        let moved_ms = self.moved_ms.load(Ordering::SeqCst);
        Self { moved_ms: Arc::new(AtomicI64::new(moved_ms)), ..self.clone() }
    }

    /// Moves the wall clock forward, but not tokio's.
    pub fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.moved_ms.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the wall clock back, but not tokio's.
    pub fn set_back(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.moved_ms.fetch_sub(millis, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// A clock that shows 2026-01-01T12:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_767_268_800_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let unmoved_ms = self.start.plus(self.started.elapsed()).as_millis();
        Timestamp::from_millis(unmoved_ms.saturating_add(self.moved_ms.load(Ordering::SeqCst)))
    }
}
