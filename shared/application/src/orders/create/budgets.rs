use std::time::Duration;

use super::CircuitBreaker;

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// One try to store a half message.
    pub half_message_try: Duration,
    /// All of them.
    pub half_message: Duration,
    /// The local transaction with all its tries.
    pub transaction: Duration,
    /// The end of the half message.
    pub end: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            half_message_try: Duration::from_millis(400),
            half_message: Duration::from_secs(2),
            transaction: Duration::from_secs(3),
            end: Duration::from_secs(1),
        }
    }
}

/// What is done without a half message.
#[derive(Debug)]
pub enum WithoutBroker {
    /// The order is created, and the sweep publishes its event. The half message is not even tried
    /// while the breaker is open.
    Accept(CircuitBreaker),
    /// The order is not created.
    Refuse,
}
