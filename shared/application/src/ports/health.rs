use std::future::Future;

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
