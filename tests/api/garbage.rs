//! Messages that are no events.

use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{HalfMessage, OutboundMessage, Resolution, Topic, TransactionalPublisher};
use contracts::event::EventType;
use domain::identity::{EventId, TransactionId};
use harness::provision::rocketmq_config;
use rocketmq::publisher::RocketmqPublisher;
use uuid::Uuid;

use crate::app::App;

/// Puts a message on the order topic whose body is no event, and returns the id under which it is
/// buried.
pub(crate) async fn publish_garbage(app: &App) -> String {
    struct Wall;
    impl application::ports::Clock for Wall {
        fn now(&self) -> domain::instant::Instant {
            crate::login::now()
        }
    }
    let config = rocketmq_config(&app.system.endpoints, &app.system.names).unwrap();
    let publisher = RocketmqPublisher::start(config, Wall).await.unwrap();
    let event_id = EventId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    let message = OutboundMessage {
        topic: Topic::Orders,
        event_id,
        event_type: EventType::OrderCreated,
        subject: "garbage".to_owned(),
        aggregate_version: 1,
        body: "this is no event".to_owned(),
        traceparent: None,
    };
    let half = HalfMessage {
        message: &message,
        transaction_id: TransactionId::new(*event_id.as_uuid()),
        deadline: crate::login::now(),
        check_immunity: Duration::from_secs(60),
    };
    let within = Deadline::after(Duration::from_secs(5));
    let receipt = publisher.prepare(&half, within).await.unwrap();
    publisher.end(&receipt, Resolution::Commit, within).await.unwrap();
    publisher.shutdown().await;
    event_id.to_string()
}
