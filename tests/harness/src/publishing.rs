//! Messages of a test's own on the order topic.

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{
    Clock, HalfMessage, OutboundMessage, Resolution, Topic, TransactionalPublisher,
};
use contracts::event::{EventType, SCHEMA_VERSION};
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, TransactionId};
use platform::clock::SystemClock;
use rocketmq::publisher::RocketmqPublisher;
use uuid::Uuid;

use crate::provision::{Endpoints, Names, rocketmq_config};

/// How long one message may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Publishes on a system's order topic, past all proxies, whatever a test has to say there.
pub struct Publishing(RocketmqPublisher);

impl Publishing {
    /// Connects.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub async fn start(endpoints: &Endpoints, names: &Names) -> anyhow::Result<Self> {
        let config = rocketmq_config(endpoints, names)?;
        Ok(Self(RocketmqPublisher::start(config, SystemClock).await?))
    }

    /// Publishes one message, of an event of `aggregate` or of none. The topic takes only half
    /// messages, so it is one that is committed at once.
    ///
    /// # Errors
    /// When the broker does not take it in time.
    pub async fn publish(
        &self,
        event_id: Uuid,
        aggregate: Option<AggregateKey>,
        body: &str,
    ) -> anyhow::Result<()> {
        let event_id = EventId::new(event_id);
        let message = OutboundMessage {
            topic: Topic::Orders,
            event_id,
            event_type: EventType::OrderCreated,
            subject: "test".to_owned(),
            aggregate,
            schema_version: SCHEMA_VERSION,
            aggregate_version: 1,
            body: body.to_owned(),
            traceparent: None,
        };
        let half = HalfMessage {
            message: &message,
            transaction_id: TransactionId::new(*event_id.as_uuid()),
            deadline: SystemClock.now(),
            // A check-back of a copy must not take it for the attempt that created the order.
            is_recorded: aggregate.is_some(),
        };
        let within = Deadline::after(LIMIT);
        let receipt = self.0.prepare(&half, within).await?;
        self.0.end(&receipt, Resolution::Commit, within).await?;
        Ok(())
    }

    /// Disconnects.
    pub async fn stop(self) {
        self.0.shutdown().await;
    }
}
