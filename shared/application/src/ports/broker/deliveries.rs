use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};
use crate::ports::MessageId;

/// The longest body that is read, in bytes: a JSON document may need a hundred times its length in
/// memory. An event is at most a quarter as long.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Why a compressed body can't be inflated; trying again won't help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body can't be inflated: {0}")]
pub struct UnreadableBody(pub String);

/// A message that was delivered and waits for its acknowledgement.
pub trait Delivery: Send + Sync {
    /// Which message it is, for logs and for dead letters without an `event_id`. Each delivery of a
    /// message MUST have the same one.
    fn message_id(&self) -> &MessageId;
    /// The body, which should be an event in JSON. A compressed body is inflated.
    ///
    /// # Errors
    ///
    /// [`UnreadableBody`], if it can't be inflated, or is longer than [`BODY_BYTES_MAX`] inflated.
    fn body(&self) -> Result<&[u8], &UnreadableBody>;
    /// The body as the broker stores it.
    fn raw_body(&self) -> &[u8];
    /// The value of a user property, if the message has it.
    fn property(&self, name: &str) -> Option<&str>;
    /// How often the message was delivered before: 0 for the first delivery. It MUST rise with each
    /// delivery. It may be too high, because a producer can send a message with a count of its own.
    fn redeliveries(&self) -> u32;
}

/// The messages of this deployment's topics, each delivered until it is acknowledged.
pub trait EventSubscription: Send + Sync {
    /// A message with what is needed to acknowledge it.
    type Delivery: Delivery;

    /// Waits for at most `most` messages, until some arrive or a few seconds, which the adapter
    /// chooses, have passed, and never beyond `deadline`. A message stays invisible to other
    /// receivers long enough to handle it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if no broker could be asked.
    fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Vec<Self::Delivery>, Failure>> + Send;

    /// Acknowledges a message, so that it is not delivered again. Without `Done`, it may be
    /// delivered again.
    fn acknowledge(
        &self,
        delivery: &Self::Delivery,
    ) -> impl Future<Output = WriteTry<Infallible>> + Send;

    /// Asks for another delivery after about `delay`. Without `Done`, the message is delivered
    /// again when it becomes visible.
    fn retry_after(
        &self,
        delivery: &Self::Delivery,
        delay: Duration,
    ) -> impl Future<Output = WriteTry<Infallible>> + Send;
}
