use std::future::Future;

use crate::deadline::Deadline;
use crate::outcome::Failure;

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
