//! Tells whether orders can be taken and events reach their subscribers.

use crate::lifetimes;
use crate::ports::{Clock, NameServers, OverdueEvents, Tables};

/// The use case with the ports it needs.
pub struct AssessHealth<T, N, E, K> {
    /// The tables that an order needs.
    pub tables: T,
    /// Through which brokers are found.
    pub name_servers: N,
    /// How late the outbox is.
    pub events: E,
    /// The wall clock.
    pub clock: K,
    /// Whether orders are taken while no broker can be reached.
    pub accept_without_broker: bool,
}

/// How the system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Ready,
    /// Orders are taken, but their events may come late.
    Degraded(Vec<&'static str>),
    /// No order can be taken.
    Unavailable(Vec<&'static str>),
}

impl<T: Tables, N: NameServers, E: OverdueEvents, K: Clock> AssessHealth<T, N, E, K> {
    /// How the system is right now.
    pub async fn execute(&self) -> Health {
        let (tables, reachable, overdue) = futures::join!(
            self.tables.readable(),
            self.name_servers.reachable(),
            self.events.any_overdue(self.clock.now(), lifetimes::SWEEP_AFTER),
        );
        if let Err(failure) = tables {
            tracing::error!(
                error = &failure as &dyn std::error::Error,
                "a table can't be read that orders need"
            );
            return Health::Unavailable(vec!["a table that orders need can't be read"]);
        }
        let mut reasons = Vec::new();
        if !reachable {
            reasons.push("no RocketMQ name server accepts a connection");
        }
        match overdue {
            Ok(false) => {}
            Ok(true) => reasons.push("an event is overdue on its topic"),
            Err(failure) => {
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "the outbox's index can't be read"
                );
                reasons.push("the outbox can't be looked at");
            }
        }
        match (reasons.is_empty(), self.accept_without_broker) {
            (true, _) => Health::Ready,
            (false, true) => Health::Degraded(reasons),
            (false, false) => Health::Unavailable(reasons),
        }
    }
}
