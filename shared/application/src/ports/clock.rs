use domain::timestamp::Timestamp;

/// The wall clock. Its times are compared across machines, so they are never exact.
pub trait Clock: Send + Sync {
    /// The current time. It is earlier than the last answer after the clock was set back.
    fn now(&self) -> Timestamp;
}
