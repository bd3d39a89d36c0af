use domain::identity::{ActivityId, EventId, MailId, OrderId, SessionId, TransactionId, UserId};

use crate::outcome::Failure;

/// Makes identifiers.
///
/// Each identifier except a user's MUST be a `UUIDv7` (RFC 9562) that no other process makes.
pub trait IdentitySource: Send + Sync {
    /// The identifier of a new order that has no idempotency key.
    fn order_id(&self) -> OrderId;
    /// The identifier of a new event. The identifier of `OrderCreated` is computed from its order
    /// instead.
    fn event_id(&self) -> EventId;
    /// The identifier of a new attempt or publication.
    fn transaction_id(&self) -> TransactionId;
    /// The identifier of a new session.
    fn session_id(&self) -> SessionId;
    /// The identifier of a new request for a mail.
    fn mail_id(&self) -> MailId;
    /// The identifier of a new activity.
    fn activity_id(&self) -> ActivityId;
    /// The number of a new user: a random integer below 2^53, which shows neither when the user
    /// registered nor how many users there are.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn user_id(&self) -> Result<UserId, Failure>;
}
