//! event-consumer's wiring.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

use application::consume_events::{
    ConsumeEvents, InventoryHandler, NotificationHandler, ObserverHandler, Pace, Registry,
    Subscribed,
};
use application::publish_recorded_event::PublishRecordedEvent;
use contracts::event::EventType;
use dynamodb::{
    DynamoDeadLetters, DynamoInbox, DynamoInventory, DynamoNotifications, DynamoObservations,
    DynamoOutbox,
};
use event_consumer::config::Config;
use event_consumer::{Handler, WindowEvent};
use lambda_runtime::{LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use platform::telemetry;
use rocketmq::client::RocketmqClient;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let broker = telemetry::logged(RocketmqClient::start(config.rocketmq))?;
    let publisher = RocketmqPublisher::connect(broker.clone(), SystemClock).await;
    let inbox = DynamoInbox::new(tables.clone(), config.events.clone());

    let observer = ObserverHandler {
        observations: DynamoObservations::new(tables.clone(), config.events.clone()),
        inbox: inbox.clone(),
    };
    let inventory = InventoryHandler {
        inventory: DynamoInventory::new(
            tables.clone(),
            config.orders.clone(),
            config.events.clone(),
            config.catalog,
        ),
        inbox: inbox.clone(),
        identities: UuidIdentitySource,
        publication: PublishRecordedEvent {
            outbox: DynamoOutbox::new(tables.clone(), config.events.clone()),
            publisher: publisher.clone(),
            clock: SystemClock,
        },
    };
    let notification = NotificationHandler {
        notifications: DynamoNotifications::new(
            tables.clone(),
            config.orders,
            config.events.clone(),
        ),
        inbox,
    };

    let handler = Handler {
        consume: ConsumeEvents {
            subscription: RocketmqSubscription::new(broker, SystemClock),
            dead_letters: DynamoDeadLetters::new(tables, config.events),
            announcements: RocketmqDeadLetters::new(&publisher),
            clock: SystemClock,
            registry: Registry::default()
                .with(Subscribed::ToAll, observer)
                .with(Subscribed::To(&[EventType::OrderCreated]), inventory)
                .with(Subscribed::ToAll, notification),
            pace: Pace::default(),
        },
    };

    let handler = &handler;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        let span = tracing::info_span!("window", request_id = event.context.request_id);
        let window = handler.handle(event.payload, time_left).instrument(span);
        Ok::<_, lambda_runtime::Error>(metrics.flushed_after(window).await)
    }))
    .await
}
