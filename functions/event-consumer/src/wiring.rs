//! The handler and its adapters. The controls of the chaos tests replace one of them.

use application::events::consume::{
    ConsumeEvents, GiveUpEvents, HandleEvents, Pace, Registry, ReservationGroups, Subscribed,
};
use application::events::publish::PublishStored;
use application::events::send_mail::{MAIL_EVENTS, SendMail};
use dynamodb::config::CatalogTable;
use dynamodb::{AggregateTables, Client, DynamoAccounts, DynamoAggregates, DynamoDeadLetters};
use mail::SesMailer;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::client::RocketmqClient;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;
use security::refresh_tokens::RandomRefreshTokens;

use crate::Handler;
use crate::config::Config;

/// As it is deployed.
pub type Consumer = ConsumeEvents<
    RocketmqSubscription,
    DynamoDeadLetters<AggregateTables>,
    RocketmqDeadLetters,
    DynamoAggregates<CatalogTable>,
    RocketmqPublisher,
    SystemClock,
    UuidIdentitySource,
>;

/// `broker` is the client of the cluster that `config` names.
pub async fn handler(config: Config, tables: Client, broker: RocketmqClient) -> Handler {
    let publisher = RocketmqPublisher::connect(broker.clone(), SystemClock).await;
    let (orders, users) = (config.orders, config.users);
    let aggregates = DynamoAggregates::new(tables.clone(), orders.clone(), users.clone());
    let mailer = match config.mail {
        None => None,
        Some(mail) => Some(SesMailer::new(mail::connect().await, mail)),
    };
    // Inventory and notification change only the order, so they belong to the use case itself.
    let registry = Registry::default().with(
        Subscribed::To(MAIL_EVENTS),
        // It needs `Accounts`, `MailRequests` and `MailTokens`.
        SendMail {
            users: DynamoAccounts::new(tables.clone(), users.clone()),
            aggregates: aggregates.clone(),
            mailer,
            secrets: RandomRefreshTokens,
            clock: SystemClock,
        },
    );

    Handler {
        consume: ConsumeEvents {
            subscription: RocketmqSubscription::new(broker, SystemClock),
            handling: HandleEvents {
                aggregates: aggregates.with_stock(config.catalog),
                publication: PublishStored { publisher: publisher.clone(), clock: SystemClock },
                identities: UuidIdentitySource,
                registry,
                groups: ReservationGroups::limited(config.open_units_max),
            },
            giving_up: GiveUpEvents {
                letters: DynamoDeadLetters::new(tables, config.dead_letters)
                    .with_aggregates(orders, users),
                announcements: RocketmqDeadLetters::new(&publisher),
            },
            pace: Pace::default(),
        },
    }
}
