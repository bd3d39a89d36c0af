use std::time::Duration;

/// How fast the sweep goes. Each topic has a pace of its own.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often it looks for what is due.
    pub look_every: Duration,
    /// How many aggregates it takes up per look. When there were more, it looks again at once.
    pub events_per_look: usize,
    /// How many aggregates it deals with at once.
    pub events_at_once: usize,
    /// How long one of them may take. It must be well below the time for which it is claimed.
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
