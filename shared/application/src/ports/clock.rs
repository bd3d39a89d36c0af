use domain::timestamp::Timestamp;

/// The wall clock. Its times are compared across machines, so they are never exact.
pub trait Clock: Send + Sync {
    /// The current time. After the clock was set back, it is earlier than the last answer.
    fn now(&self) -> Timestamp;
}
