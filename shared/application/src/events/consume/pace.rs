use std::time::Duration;

use domain::timestamp::Timestamp;

/// How fast events are consumed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many requests for messages run at the same time.
    pub pollers: usize,
    /// How many events are handled at once at most. A batch may exceed this number, and three times
    /// as many may wait for the write that another event makes for them as well. While events fail
    /// because something is overloaded or unavailable, there are fewer.
    pub events_at_once: u16,
    /// How long one event may take. It must be well below the time for which its message is
    /// invisible to other receivers.
    pub event: Duration,
    /// How often an event is tried before it goes to the dead letters.
    pub attempts_max: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pollers: 2,
            events_at_once: 64,
            event: Duration::from_secs(5),
            // With the pauses of `pause_after`, a little more than an hour.
            attempts_max: 16,
        }
    }
}

/// The pause before a message is delivered again: 1 s, doubling to 10 minutes.
pub(super) fn pause_after(failures_before: u32) -> Duration {
    Duration::from_secs(1 << failures_before.min(10)).min(Duration::from_secs(600))
}

/// How many pauses are shorter than the one after them.
const PAUSES_GROWING: u32 = 10;

/// All pauses of a message that failed so often.
pub(super) fn paused(failures: u32) -> Duration {
    let growing: Duration = (0..failures.min(PAUSES_GROWING)).map(pause_after).sum();
    let others = failures.saturating_sub(PAUSES_GROWING);
    growing.saturating_add(pause_after(PAUSES_GROWING).saturating_mul(others))
}

/// When an event failed for the first time, estimated from its failures and the pauses between
/// them, and at most a week ago: a producer can send a message with any count.
pub(super) fn first_failed_at(now: Timestamp, failures_before: u32) -> Timestamp {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    let millis = i64::try_from(paused(failures_before).min(WEEK).as_millis()).unwrap_or(0);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetimes::NEWER_CODE;

    #[test]
    fn sixteen_attempts_take_a_little_more_than_an_hour() {
        assert_eq!(paused(15).as_secs() / 60, 67);
        assert_eq!(pause_after(u32::MAX), Duration::from_secs(600));
    }

    #[test]
    fn an_event_failed_for_the_first_time_before_its_pauses_and_within_a_week() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(now.since(first_failed_at(now, 3)), Duration::from_secs(1 + 2 + 4));
        assert_eq!(now.since(first_failed_at(now, u32::MAX)), Duration::from_secs(604_800));
    }

    #[test]
    fn all_pauses_are_those_between_the_failures() {
        for failures in [0, 1, 9, 10, 11, 15, 200] {
            let all: Duration = (0..failures).map(pause_after).sum();
            assert_eq!(paused(failures), all, "{failures}");
        }
        assert!(paused(u32::MAX) > paused(u32::MAX - 1));
    }

    #[test]
    fn a_message_waits_for_newer_code_for_some_hundred_and_fifty_deliveries() {
        assert!(paused(152) < NEWER_CODE && NEWER_CODE <= paused(153));
    }
}
