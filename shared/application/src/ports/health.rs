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

/// What the name servers know of the brokers that take orders' events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRoute {
    /// One of them knows such a broker.
    Known,
    /// Those that answer know none: no broker is registered, the topic does not exist, or no broker
    /// takes messages.
    NoBroker,
    /// None answers.
    NoAnswer,
}

/// The name servers, which list the brokers.
pub trait NameServers: Send + Sync {
    /// What they answer when they are asked for the route of the order topic.
    fn order_route(&self) -> impl Future<Output = OrderRoute> + Send;
}
