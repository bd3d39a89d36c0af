//! event-consumer's wiring.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

use application::events::consume::{
    ConsumeEvents, HandleEvents, Pace, Registry, ReservationGroups, Subscribed,
};
use application::events::publish::PublishStored;
use application::events::send_mail::{MAIL_EVENTS, SendMail};
use dynamodb::{DynamoAccounts, DynamoAggregates, DynamoDeadLetters};
use event_consumer::config::Config;
use event_consumer::{Handler, WindowEvent};
use lambda_runtime::{LambdaEvent, service_fn};
use mail::SesMailer;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use platform::telemetry;
use rocketmq::client::RocketmqClient;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;
use security::refresh_tokens::RandomRefreshTokens;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start();
    let metrics = platform::metrics::start();
    let config = telemetry::logged(Config::read(Settings::from_environment()))?;

    let tables = dynamodb::connect().await;
    let broker = telemetry::logged(RocketmqClient::start(config.rocketmq))?;
    let publisher = RocketmqPublisher::connect(broker.clone(), SystemClock).await;
    let (orders, users) = (config.orders, config.users);
    let aggregates = DynamoAggregates::new(tables.clone(), orders.clone(), users.clone());
    // Inventory and notification change only the order, so they belong to the use case itself.
    let registry = match config.mail {
        None => Registry::default(),
        // It needs `Accounts`, `MailRequests` and `MailTokens`.
        Some(mail) => Registry::default().with(
            Subscribed::To(MAIL_EVENTS),
            SendMail {
                users: DynamoAccounts::new(tables.clone(), users.clone()),
                aggregates: aggregates.clone(),
                mailer: SesMailer::new(mail::connect().await, mail),
                secrets: RandomRefreshTokens,
                clock: SystemClock,
            },
        ),
    };
    let aggregates = aggregates.with_stock(config.catalog);

    let handler = Handler {
        consume: ConsumeEvents {
            subscription: RocketmqSubscription::new(broker, SystemClock),
            handling: HandleEvents {
                aggregates,
                publication: PublishStored { publisher: publisher.clone(), clock: SystemClock },
                identities: UuidIdentitySource,
                registry,
                groups: ReservationGroups::limited(config.open_units_max),
            },
            letters: DynamoDeadLetters::new(tables, config.dead_letters)
                .with_aggregates(orders, users),
            announcements: RocketmqDeadLetters::new(&publisher),
            pace: Pace::default(),
        },
    };

    let handler = &handler;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        let span = tracing::info_span!("window", request_id = event.context.request_id);
        let window = handler.handle(event.payload, time_left, || metrics.flush()).instrument(span);
        Ok::<_, lambda_runtime::Error>(metrics.flushed_after(window).await)
    }))
    .await
}
