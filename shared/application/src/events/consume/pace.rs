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

/// When an event failed for the first time, estimated from its failures and the pauses between
/// them.
pub(super) fn first_failed_at(now: Timestamp, failures_before: u32) -> Timestamp {
    let paused: Duration = (0..failures_before.min(64)).map(pause_after).sum();
    let millis = i64::try_from(paused.as_millis()).unwrap_or(0);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_attempts_take_a_little_more_than_an_hour() {
        let all: Duration = (0..15).map(pause_after).sum();
        assert_eq!(all.as_secs() / 60, 67);
        assert_eq!(pause_after(u32::MAX), Duration::from_secs(600));
    }
}
