use std::future::Future;

use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use crate::deadline::Deadline;
use crate::outcome::Failure;

/// A topic of this deployment. Its name is the adapter's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The events of orders.
    Orders,
    /// The events of accounts, sessions and mails.
    Users,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 2] = [Self::Orders, Self::Users];

    /// The topic on which events of a type are published.
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

    /// The topic on which the events of an aggregate are published.
    pub const fn of_aggregate(key: AggregateKey) -> Self {
        match key {
            AggregateKey::Order { .. } => Self::Orders,
            AggregateKey::Account { .. }
            | AggregateKey::Session { .. }
            | AggregateKey::Mail { .. } => Self::Users,
        }
    }
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

/// How far our consumer group has consumed the topics.
pub trait GroupPosition: Send + Sync {
    /// Whether every message that was on the topic at `at`, on every queue, was delivered to the
    /// group.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker has answered: then nothing is known.
    fn has_passed(
        &self,
        topic: Topic,
        at: Timestamp,
        deadline: Deadline,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// Figures about our messages on the cluster, for the alarms of operators. The protocol does not
/// depend on them.
pub trait ClusterGauges: Send + Sync {
    /// How many half messages the brokers have stopped checking, since the topic that stores those
    /// was created. It never decreases. On a cluster with several deployments it counts those of
    /// all.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker of the order topic has answered.
    fn half_messages_discarded(
        &self,
        deadline: Deadline,
    ) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// How many messages of both event topics wait for their first delivery to event-consumer.
    /// Messages that were delivered and wait for another delivery are not counted.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker of both topics has answered.
    fn consumer_lag(&self, deadline: Deadline)
    -> impl Future<Output = Result<u64, Failure>> + Send;
}
