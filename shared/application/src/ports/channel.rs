use std::future::Future;
use std::time::Duration;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, TransactionId};
use domain::timestamp::Timestamp;

use super::DeadLetter;
use crate::deadline::Deadline;
use crate::outcome::{Failure, Settled};

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
            EventType::UserRegistered | EventType::UserLoggedIn | EventType::UserDeleted => {
                Self::Users
            }
        }
    }

    /// The topic of an aggregate's events.
    pub const fn of_aggregate(key: AggregateKey) -> Self {
        match key {
            AggregateKey::Order { .. } => Self::Orders,
            AggregateKey::Account { .. } | AggregateKey::Session { .. } => Self::Users,
        }
    }
}

/// An event as it goes on its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundMessage {
    /// Where it goes.
    pub topic: Topic,
    /// The fact's identifier: a key of the message.
    pub event_id: EventId,
    /// Its type: the tag of the message.
    pub event_type: EventType,
    /// The order or user that it is about: a key of the message.
    pub subject: String,
    /// The aggregate that holds it; none of an event that no aggregate of this deployment raised.
    pub aggregate: Option<AggregateKey>,
    /// The aggregate's version with it.
    pub aggregate_version: u32,
    /// The version of its payload.
    pub schema_version: u32,
    /// The event in JSON.
    pub body: String,
    /// W3C Trace Context, where there is one.
    pub traceparent: Option<String>,
}

/// A message that nobody sees until its transaction has ended with a commit.
#[derive(Debug, Clone)]
pub struct HalfMessage<'a> {
    /// What it says.
    pub message: &'a OutboundMessage,
    /// The attempt it belongs to.
    pub transaction_id: TransactionId,
    /// When the local transaction ends, by the wall clock.
    pub deadline: Timestamp,
    /// Whether its event is stored already, so that a check can only commit it.
    pub is_recorded: bool,
}

/// A half message could not be had. It is abandoned: nothing commits it, and the check-back retires
/// it where it exists.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// No broker took it, or none is known to have taken it.
    #[error("no broker took the half message")]
    Failed(#[source] Failure),
    /// A broker took it but doesn't vouch for it: not flushed, or not replicated, in time.
    #[error("the broker doesn't vouch for the half message: {0}")]
    Doubtful(String),
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The message becomes visible.
    Commit,
    /// The message is dropped.
    Rollback,
}

/// The broker has not acknowledged the end of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// It refused: the message is too old for its producer to end it, or gone. The check-back or
    /// the sweep settles it.
    #[error("the broker refused the end of the transaction")]
    Refused(#[source] Failure),
    /// Whether it took it is unknown. The check-back or the sweep settles it.
    #[error("whether the broker took the end of the transaction is unknown")]
    Unknown(#[source] Failure),
}

/// Sends messages in two steps, with a decision in between.
pub trait TransactionalPublisher: Send + Sync {
    /// What ends a half message: where it is stored.
    type Receipt: Send + Sync;

    /// Makes one try to store a half message, within `deadline`, and no second one of its own
    /// accord. It MUST NOT report success unless the broker vouches for the message, and MUST make
    /// the checked group, not the sender, answer for it. After a failure, or when the last success
    /// is long ago, it MUST NOT rely on an old connection.
    ///
    /// # Errors
    ///
    /// [`PrepareError`]: the message may exist all the same, but is never committed.
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

/// The broker asks what became of a half message. What it couldn't read of the message's properties
/// is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckBack {
    /// The topic, if it is one of this deployment's.
    pub topic: Option<Topic>,
    /// The attempt.
    pub transaction_id: Option<TransactionId>,
    /// The fact.
    pub event_id: Option<EventId>,
    /// The aggregate that holds the fact, or is to hold it.
    pub aggregate: Option<AggregateKey>,
    /// Whether the fact was stored before the half message was sent.
    pub is_recorded: bool,
    /// The order that it is about, for the log.
    pub order_id: Option<OrderId>,
    /// When the local transaction ends, by its process's wall clock.
    pub deadline: Option<Timestamp>,
}

/// What a half message's check is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckAnswer {
    /// The message becomes visible.
    Commit,
    /// The message is dropped.
    Rollback,
    /// Nothing is decided; the broker asks again, as long as it has checks left.
    Unknown,
}

/// Answers check-backs. An adapter that is a live member of the checked group calls it.
pub trait CheckBackHandler: Send + Sync + 'static {
    /// What the broker is answered.
    fn answer(&self, check: CheckBack) -> impl Future<Output = CheckAnswer> + Send;
}

/// The longest body that is read, in bytes: a document of JSON may take a hundred times its length in
/// memory. An event has a quarter of it at the most.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A compressed body that can't be inflated; trying again won't help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body can't be inflated: {0}")]
pub struct UnreadableBody(pub String);

/// A message that was delivered and waits for its acknowledgement.
pub trait Delivery: Send + Sync {
    /// The broker's id of the message, for logs and for dead letters without an `event_id`.
    fn message_id(&self) -> &str;
    /// The event in JSON, if it is one. A compressed body is inflated.
    ///
    /// # Errors
    ///
    /// [`UnreadableBody`], if it can't be inflated, or only to more than [`BODY_BYTES_MAX`].
    fn body(&self) -> Result<&[u8], &UnreadableBody>;
    /// The body as the broker has it.
    fn raw_body(&self) -> &[u8];
    /// A user property.
    fn property(&self, name: &str) -> Option<&str>;
    /// How often the message has been delivered before: 0 at first.
    fn redeliveries(&self) -> u32;
}

/// The messages of this deployment's topics, each delivered until it is acknowledged.
pub trait EventSubscription: Send + Sync {
    /// A message with what acknowledges it.
    type Delivery: Delivery;

    /// Waits for messages, `most` at the most, until some come or a time of the adapter's choosing,
    /// a few seconds, is over, and never beyond `deadline`. A message stays invisible to other
    /// receivers for a time that suffices to handle it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if no broker could be asked.
    fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Vec<Self::Delivery>, Failure>> + Send;

    /// Acknowledges a message: it won't come again. Anything but `Done` means that it may.
    fn acknowledge(&self, delivery: &Self::Delivery) -> impl Future<Output = Settled> + Send;

    /// Asks for a message again after about `delay`. Anything but `Done` means that it comes when
    /// it becomes visible.
    fn retry_after(
        &self,
        delivery: &Self::Delivery,
        delay: Duration,
    ) -> impl Future<Output = Settled> + Send;
}

/// The dead-letter topic, which announces what operators find in the dead-letter records.
pub trait DeadLetterChannel: Send + Sync {
    /// Announces a dead letter. Repeating it announces it again.
    fn announce(&self, letter: &DeadLetter) -> impl Future<Output = Settled> + Send;
}

/// What is on the topics.
pub trait PublishedEvents: Send + Sync {
    /// Whether any broker of the topic answers within `deadline`. Nothing is stored by asking.
    fn answers(&self, topic: Topic, deadline: Deadline) -> impl Future<Output = bool> + Send;

    /// Whether a message with that `event_id`, of that publication, is on the topic: a redriven event's
    /// earlier message is another publication's. It MUST ask every broker of the topic, and MUST
    /// compare the identifiers themselves: a broker's index compares hashes.
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
