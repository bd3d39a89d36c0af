use anyhow::anyhow;
use application::consume_events::{
    ConsumeEvents, InventoryHandler, NotificationHandler, ObserverHandler, Pace, Registry,
    Subscribed,
};
use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{EffectCancelled, IdentitySource, InboxRecord, Notifications};
use application::publish_recorded_event::PublishRecordedEvent;
use contracts::event::EventType;
use domain::identity::{OrderId, UserId};
use domain::order::Notification;
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
use rocketmq::client::RocketmqClient;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;

/// Records each notification as of an event that never was, so that no record is ever found again.
struct WithoutInbox(DynamoNotifications);

impl Notifications for WithoutInbox {
    async fn notify(
        &self,
        inbox: &InboxRecord,
        user_id: UserId,
        order_id: OrderId,
        notification: &Notification,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let forgotten = InboxRecord { event_id: UuidIdentitySource.event_id(), ..*inbox };
        self.0.notify(&forgotten, user_id, order_id, notification, deadline).await
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    let config = Config::read(Settings::from_environment())?;
    let tables = dynamodb::connect().await;
    let broker = RocketmqClient::start(config.rocketmq)?;
    let publisher = RocketmqPublisher::connect(broker.clone(), SystemClock).await;
    let (orders, events) = (config.orders, config.events);
    let inbox = DynamoInbox::new(tables.clone(), events.clone());
    let observer = ObserverHandler {
        observations: DynamoObservations::new(tables.clone(), events.clone()),
        inbox: inbox.clone(),
    };
    let inventory = InventoryHandler {
        inventory: DynamoInventory::new(
            tables.clone(),
            orders.clone(),
            events.clone(),
            config.catalog,
        ),
        inbox: inbox.clone(),
        identities: UuidIdentitySource,
        publication: PublishRecordedEvent {
            outbox: DynamoOutbox::new(tables.clone(), events.clone()),
            publisher: publisher.clone(),
            clock: SystemClock,
        },
    };
    let notifications = DynamoNotifications::new(tables.clone(), orders, events.clone());
    let notification = NotificationHandler { notifications: WithoutInbox(notifications), inbox };
    let handler = Handler {
        consume: ConsumeEvents {
            subscription: RocketmqSubscription::new(broker, SystemClock),
            dead_letters: DynamoDeadLetters::new(tables, events),
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
    let window = service_fn(async |event: LambdaEvent<WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        Ok::<_, lambda_runtime::Error>(handler.handle(event.payload, time_left).await)
    });
    lambda_runtime::run(window).await.map_err(|error| anyhow!(error))
}
