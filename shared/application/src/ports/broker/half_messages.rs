use std::future::Future;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, TransactionId};
use domain::timestamp::Timestamp;

use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::Topic;

/// An event as it is sent: the body, and what becomes its topic, keys, tag and properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundMessage {
    /// The topic of the event's type ([`Topic::of`]).
    pub topic: Topic,
    /// The event's identifier: a key of the message.
    pub event_id: EventId,
    /// The event's type: the tag of the message.
    pub event_type: EventType,
    /// The order or user that the event is about: a key of the message.
    pub subject: String,
    /// The aggregate that raised the event; `None` if no aggregate of this deployment did.
    pub aggregate: Option<AggregateKey>,
    /// The version of the aggregate with the event, counted from 1.
    pub aggregate_version: u32,
    /// The schema version of the body, which is also a property of the message.
    pub schema_version: u32,
    /// The event in JSON: a `CloudEvent` in structured mode.
    pub body: String,
    /// W3C Trace Context, if there is one.
    pub traceparent: Option<String>,
}

/// A message that no consumer gets until its transaction has ended with a commit.
#[derive(Debug, Clone)]
pub struct HalfMessage<'a> {
    /// The message that becomes visible with the commit.
    pub message: &'a OutboundMessage,
    /// The attempt that the half message belongs to; for a stored event, the publication.
    pub transaction_id: TransactionId,
    /// When the local transaction ends, by the wall clock.
    pub deadline: Timestamp,
    /// Whether the event is stored already, so that a check can only commit the half message.
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
    /// The broker refused: the message is too old for its producer to end it, or is gone. The
    /// check-back or the sweep settles it.
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
    /// The event that a commit makes visible.
    pub event_id: Option<EventId>,
    /// The aggregate that raises the event.
    pub aggregate: Option<AggregateKey>,
    /// Whether the event was stored before the half message was sent.
    pub is_recorded: bool,
    /// The order that the event is about, for the log.
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
    /// The answer. If it can't be found, it is [`CheckAnswer::Unknown`]: the broker asks again.
    fn answer(&self, check: CheckBack) -> impl Future<Output = CheckAnswer> + Send;
}
