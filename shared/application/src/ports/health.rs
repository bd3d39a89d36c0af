use std::future::Future;

use crate::outcome::Failure;

/// The tables that an order needs.
pub trait Tables: Send + Sync {
    /// Reads from each table.
    ///
    /// # Errors
    ///
    /// [`Failure`] if one of them couldn't be read.
    fn readable(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The name servers, which list the brokers.
pub trait NameServers: Send + Sync {
    /// Whether a name server accepts a connection.
    fn reachable(&self) -> impl Future<Output = bool> + Send;
}
