use std::future::Future;
use std::time::Duration;

use domain::timestamp::Timestamp;

use crate::outcome::Failure;

/// The tables that an order needs.
pub trait Tables: Send + Sync {
    /// Reads from each of them.
    ///
    /// # Errors
    ///
    /// [`Failure`] if one of them couldn't be read.
    fn readable(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The name servers, through which brokers are found.
pub trait NameServers: Send + Sync {
    /// Whether one of them accepts a connection.
    fn reachable(&self) -> impl Future<Output = bool> + Send;
}

/// How late the outbox is.
pub trait OverdueEvents: Send + Sync {
    /// Whether an unobserved event's `sweep_due` is more than `grace` before `now`. It MAY be a few
    /// seconds out of date.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn any_overdue(
        &self,
        now: Timestamp,
        grace: Duration,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}
