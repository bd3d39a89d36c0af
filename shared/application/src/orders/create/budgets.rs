use std::time::Duration;

use super::CircuitBreaker;

/// How long each step of creating an order may take.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// One try to store a half message.
    pub half_message_try: Duration,
    /// All tries to store one together.
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

/// What happens if no half message can be stored.
#[derive(Debug)]
pub enum WithoutBroker {
    /// The order is created, and the sweep publishes its event. The half message is not even tried
    /// while the breaker is open.
    Accept(CircuitBreaker),
    /// The order is not created.
    Refuse,
}
