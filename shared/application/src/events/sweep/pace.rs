use std::time::Duration;

/// How fast the sweep works, for each topic separately.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The time between two looks for due aggregates.
    pub look_every: Duration,
    /// How many aggregates the sweep processes per look. If more are due, it looks again at once.
    pub events_per_look: usize,
    /// How many aggregates the sweep processes at the same time.
    pub events_at_once: usize,
    /// How long one aggregate may take. This must be well below the time for which an aggregate is
    /// claimed.
    pub event: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(5),
            events_per_look: 256,
            events_at_once: 16,
            event: Duration::from_secs(5),
        }
    }
}
