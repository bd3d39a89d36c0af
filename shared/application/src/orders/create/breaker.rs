//! Remembers that no broker can be reached, so that not every request has to find out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::timestamp::Timestamp;

/// How many requests in a row must fail to store a half message before the breaker opens.
const FAILURES: u32 = 3;

/// How long the open breaker skips half messages.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// A circuit breaker around half messages. After three failures in a row it is open for 10 s; then
/// the next request tries again, and a failure opens it again.
#[derive(Debug, Default)]
pub struct CircuitBreaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    last_failure: Option<Timestamp>,
}

impl CircuitBreaker {
    /// Whether half messages are skipped at `now`.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |failed: Timestamp| failed.is_younger_than(OPEN_FOR, now);
        state.failures >= FAILURES && state.last_failure.is_some_and(is_recent)
    }

    pub(crate) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    pub(crate) fn failed(&self, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        state.last_failure = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn three_failures_in_a_row_open_it_for_ten_seconds() {
        let breaker = CircuitBreaker::default();
        breaker.failed(at(0));
        breaker.failed(at(1));
        assert!(!breaker.is_open(at(1)));
        breaker.failed(at(2));
        assert!(breaker.is_open(at(2)) && breaker.is_open(at(11)));
        assert!(!breaker.is_open(at(12)), "the next request tries again");
        breaker.failed(at(12));
        assert!(breaker.is_open(at(13)), "and opens it again when it fails");
    }

    #[test]
    fn a_success_closes_it() {
        let breaker = CircuitBreaker::default();
        (0..2).for_each(|second| breaker.failed(at(second)));
        breaker.succeeded();
        breaker.failed(at(2));
        assert!(!breaker.is_open(at(2)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_open() {
        let breaker = CircuitBreaker::default();
        (100..103).for_each(|second| breaker.failed(at(second)));
        assert!(!breaker.is_open(at(50)));
    }
}
