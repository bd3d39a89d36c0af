//! A wall clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use application::ports::Clock;
use domain::timestamp::Timestamp;

/// A wall clock that goes with tokio's clock, which a test may pause, and that can be moved
/// besides. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    started: tokio::time::Instant,
    start: Timestamp,
    moved_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that tells `start` right now.
    pub fn at(start: Timestamp) -> Self {
        Self { started: tokio::time::Instant::now(), start, moved_ms: Arc::default() }
    }

    /// The clock of another machine, which tells the same time until one of them is moved.
    #[must_use]
    pub fn another(&self) -> Self {
        let moved_ms = self.moved_ms.load(Ordering::SeqCst);
        Self { moved_ms: Arc::new(AtomicI64::new(moved_ms)), ..self.clone() }
    }

    /// Moves the wall clock, and no other, forward.
    pub fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.moved_ms.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the wall clock, and no other, back.
    pub fn set_back(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.moved_ms.fetch_sub(millis, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// A clock that tells 2026-01-01T12:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_767_268_800_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let told = self.start.plus(self.started.elapsed()).as_millis();
        Timestamp::from_millis(told.saturating_add(self.moved_ms.load(Ordering::SeqCst)))
    }
}
