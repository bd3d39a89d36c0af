//! Messages of a test's own on the order topic.

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{
    Clock, HalfMessage, OutboundMessage, Resolution, Topic, TransactionalPublisher,
};
use contracts::event::EventType;
use domain::identity::{EventId, TransactionId};
use harness::provision::rocketmq_config;
use platform::clock::SystemClock;
use rocketmq::publisher::RocketmqPublisher;
use uuid::Uuid;

use crate::rig::Rig;

/// How long one message may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Publishes on the order topic of a rig, past its proxies.
pub(super) struct Publishing(RocketmqPublisher);

impl Publishing {
    pub(super) async fn start(rig: &Rig<'_>) -> anyhow::Result<Self> {
        let config = rocketmq_config(&rig.system.endpoints, &rig.system.names)?;
        Ok(Self(RocketmqPublisher::start(config, SystemClock).await?))
    }

    /// Publishes one message. The topic takes only half messages, so it is one that is committed at
    /// once.
    pub(super) async fn publish(&self, event_id: Uuid, body: &str) -> anyhow::Result<()> {
        let event_id = EventId::new(event_id);
        let message = OutboundMessage {
            topic: Topic::Orders,
            event_id,
            event_type: EventType::OrderCreated,
            subject: "test".to_owned(),
            aggregate_version: 1,
            body: body.to_owned(),
            traceparent: None,
        };
        let half = HalfMessage {
            message: &message,
            transaction_id: TransactionId::new(*event_id.as_uuid()),
            deadline: SystemClock.now(),
            check_immunity: Duration::from_secs(60),
        };
        let within = Deadline::after(LIMIT);
        let receipt = self.0.prepare(&half, within).await?;
        self.0.end(&receipt, Resolution::Commit, within).await?;
        Ok(())
    }

    pub(super) async fn stop(self) {
        self.0.shutdown().await;
    }
}
