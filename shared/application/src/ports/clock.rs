use domain::timestamp::Timestamp;

/// The wall clock. Processes on several machines compare what it tells, so it is never exact.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;
}
