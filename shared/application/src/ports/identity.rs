use domain::identity::{ActivityId, EventId, OrderId, SessionId, TransactionId, UserId};

use crate::outcome::Failure;

/// Makes identifiers.
///
/// Each but a user's MUST be a `UUIDv7` (RFC 9562) that no other process makes.
pub trait IdentitySource: Send + Sync {
    /// A new order's.
    fn order_id(&self) -> OrderId;
    /// A new fact's.
    fn event_id(&self) -> EventId;
    /// A new attempt's.
    fn transaction_id(&self) -> TransactionId;
    /// A new session's.
    fn session_id(&self) -> SessionId;
    /// A new activity's.
    fn activity_id(&self) -> ActivityId;
    /// A new user's: a random integer below 2^53, which tells neither when he came nor how many
    /// there are.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn user_id(&self) -> Result<UserId, Failure>;
}
