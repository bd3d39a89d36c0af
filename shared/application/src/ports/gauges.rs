use std::future::Future;

use crate::deadline::Deadline;
use crate::outcome::Failure;

/// How the cluster fares with our messages, for an operator's alarms. Nothing in the protocol
/// depends on it.
pub trait ClusterGauges: Send + Sync {
    /// How many half messages the brokers have given up checking, since the topic that keeps them
    /// was made. It never sinks. On a cluster with several deployments it counts those of all.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker of the order topic has answered.
    fn half_messages_discarded(
        &self,
        deadline: Deadline,
    ) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// How many messages of both event topics wait for their first delivery to event-consumer. What
    /// was delivered and waits to be delivered again is not among them.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker of both topics has answered.
    fn consumer_lag(&self, deadline: Deadline)
    -> impl Future<Output = Result<u64, Failure>> + Send;
}
