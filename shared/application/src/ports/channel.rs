use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, TransactionId};
use domain::timestamp::Timestamp;

use super::DeadLetter;
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// A topic of this deployment. Its name is the adapter's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What happens to orders.
    Orders,
    /// What happens to users.
    Users,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 2] = [Self::Orders, Self::Users];

    /// The topic of a type of events.
    pub const fn of(event_type: EventType) -> Self {
        match event_type {
            EventType::OrderCreated
            | EventType::OrderConfirmed
            | EventType::OrderRejected
            | EventType::OrderCancelled => Self::Orders,
            EventType::UserRegistered
            | EventType::UserLoggedIn
            | EventType::UserDeleted
            | EventType::EmailConfirmationRequested
            | EventType::EmailChangeRequested
            | EventType::PasswordResetRequested => Self::Users,
        }
    }

    /// The topic of an aggregate's events.
    pub const fn of_aggregate(key: AggregateKey) -> Self {
        match key {
            AggregateKey::Order { .. } => Self::Orders,
            AggregateKey::Account { .. }
            | AggregateKey::Session { .. }
            | AggregateKey::Mail { .. } => Self::Users,
        }
    }
}

/// The message of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundMessage {
    /// The topic to which it is sent.
    pub topic: Topic,
    /// The event's identifier: a key of the message.
    pub event_id: EventId,
    /// The event's type: the tag of the message.
    pub event_type: EventType,
    /// The order or user that it is about: a key of the message.
    pub subject: String,
    /// The aggregate that raised it; `None` if no aggregate of this deployment did.
    pub aggregate: Option<AggregateKey>,
    /// The aggregate's version with the event.
    pub aggregate_version: u32,
    /// The schema version of the body.
    pub schema_version: u32,
    /// The event in JSON.
    pub body: String,
    /// W3C Trace Context, if there is one.
    pub traceparent: Option<String>,
}

/// A message that no consumer gets until its transaction has ended with a commit.
#[derive(Debug, Clone)]
pub struct HalfMessage<'a> {
    /// The message that becomes visible with the commit.
    pub message: &'a OutboundMessage,
    /// The attempt that it belongs to.
    pub transaction_id: TransactionId,
    /// When the local transaction ends, by the wall clock.
    pub deadline: Timestamp,
    /// Whether its event is stored already, so that a check can only commit it.
    pub is_recorded: bool,
}

/// The half message could not be stored. It is abandoned: nothing commits it, and if it exists, its
/// check-back rolls it back.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// No broker stored it, as far as is known.
    #[error("no broker stored the half message")]
    Failed(#[source] Failure),
    /// A broker stored it but does not vouch for it: it was not flushed or not replicated in time,
    /// and may be lost.
    #[error("the broker doesn't vouch for the half message: {0}")]
    Doubtful(String),
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The message becomes visible.
    Commit,
    /// The message is deleted.
    Rollback,
}

/// The broker has not acknowledged the end of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// It refused: the message is too old for its producer to end it, or is gone. The check-back or
    /// the sweep settles it.
    #[error("the broker refused the end of the transaction")]
    Refused(#[source] Failure),
    /// Whether the transaction has ended is unknown. The check-back or the sweep settles it.
    #[error("whether the broker has ended the transaction is unknown")]
    Unknown(#[source] Failure),
}

/// Sends messages in two steps, with a decision in between.
pub trait TransactionalPublisher: Send + Sync {
    /// What is needed to end a half message: where it is stored.
    type Receipt: Send + Sync;

    /// Makes one try to store a half message, within `deadline`, and never a second one. It MUST
    /// NOT report success unless the broker vouches for the message, and MUST make the checked
    /// group, not the sender, answer the check-backs. After a failure, or if the last success was
    /// long ago, it MUST NOT rely on an old connection.
    ///
    /// # Errors
    ///
    /// [`PrepareError`]: the message may still exist, but is never committed.
    fn prepare(
        &self,
        half: &HalfMessage<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Self::Receipt, PrepareError>> + Send;

    /// Ends a transaction and waits for the broker's answer, within `deadline`. `Ok` MUST mean that
    /// the broker acknowledged it.
    ///
    /// # Errors
    ///
    /// [`EndError`]. The end may be repeated, but never with the other resolution: `RocketMQ`
    /// accepts a commit after a rollback and makes a visible copy of each commit.
    fn end(
        &self,
        receipt: &Self::Receipt,
        resolution: Resolution,
        deadline: Deadline,
    ) -> impl Future<Output = Result<(), EndError>> + Send;
}

/// A check-back: the broker asks how a half message ends. Properties of the message that can't be
/// read are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckBack {
    /// The topic, if it is one of this deployment's.
    pub topic: Option<Topic>,
    /// The attempt, or the publication of a recorded event.
    pub transaction_id: Option<TransactionId>,
    /// The event.
    pub event_id: Option<EventId>,
    /// The aggregate that raises the event.
    pub aggregate: Option<AggregateKey>,
    /// Whether the event was stored before the half message was sent.
    pub is_recorded: bool,
    /// The order that it is about, for the log.
    pub order_id: Option<OrderId>,
    /// When the local transaction ends, by the wall clock of its process.
    pub deadline: Option<Timestamp>,
}

/// The answer to a check-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckAnswer {
    /// The message becomes visible.
    Commit,
    /// The message is deleted.
    Rollback,
    /// Nothing is decided; the broker asks again, until it has no checks left.
    Unknown,
}

/// Answers check-backs. An adapter that is a live member of the checked group calls it.
pub trait CheckBackHandler: Send + Sync + 'static {
    /// The answer to a check-back.
    fn answer(&self, check: CheckBack) -> impl Future<Output = CheckAnswer> + Send;
}

/// The longest body that is read, in bytes: a JSON document may need a hundred times its length in
/// memory. An event has at most a quarter of it.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Why a compressed body can't be inflated; trying again won't help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body can't be inflated: {0}")]
pub struct UnreadableBody(pub String);

/// A message that was delivered and waits for its acknowledgement.
pub trait Delivery: Send + Sync {
    /// The broker's id of the message, for logs and for dead letters without an `event_id`.
    fn message_id(&self) -> &str;
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
    /// How often the message was delivered before: 0 for the first delivery.
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

    /// Acknowledges a message, so that it is not delivered again. Without `Done`, it may be.
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

/// The dead-letter topic, which announces the dead letters that are stored for operators.
pub trait DeadLetterChannel: Send + Sync {
    /// Announces a dead letter. A second call announces it again.
    fn announce(&self, letter: &DeadLetter) -> impl Future<Output = WriteTry<Infallible>> + Send;
}

/// Looks up what is on the topics.
pub trait PublishedEvents: Send + Sync {
    /// Whether any broker of the topic answers within `deadline`. The call stores nothing.
    fn answers(&self, topic: Topic, deadline: Deadline) -> impl Future<Output = bool> + Send;

    /// Whether a message with this `event_id` and of this publication is on the topic: the earlier
    /// message of a redriven event belongs to another publication. It MUST ask every broker of the
    /// topic, and MUST compare the identifiers themselves, because a broker's index compares
    /// hashes.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker has answered: then nothing is known.
    fn is_published(
        &self,
        topic: Topic,
        event_id: EventId,
        transaction_id: TransactionId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}
