use domain::identity::{EventId, OrderId, TransactionId};

/// Makes identifiers.
///
/// Each MUST be a `UUIDv7` (RFC 9562) that no other process makes.
pub trait IdentitySource: Send + Sync {
    /// A new order's.
    fn order_id(&self) -> OrderId;
    /// A new fact's.
    fn event_id(&self) -> EventId;
    /// A new attempt's.
    fn transaction_id(&self) -> TransactionId;
}
