//! Functions without one part of the protocol. What the rows prove must then break.
//!
//! They are composed from the functions' own libraries, with an adapter that leaves the part out.
//! No function of the product has such a switch: only the program `control-function` of these tests
//! runs them in place of a function. `whole_bodies` alone stands in for none: it reads one answer
//! and ends.

mod whole_bodies;
mod without_fence;
mod without_guard;
mod without_patience;
mod without_sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use application::events::consume::{
    ConsumeEvents, HandleEvents, Pace, Registry, ReservationGroups,
};
use application::events::publish::PublishStored;
use application::ports::pending::{PendingEventIndex, PendingEventStore};
use application::ports::stock::Reservations;
use application::ports::{EventSubscription, Fences, OrderKeys};
use dynamodb::config::CatalogTable;
use dynamodb::{DynamoAggregates, DynamoDeadLetters, DynamoOrders};
use harness::system::SystemOptions;
use lambda_runtime::{LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use rocketmq::client::RocketmqClient;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;

use crate::rig::{EVENT_CONSUMER, TRANSACTION_CHECK};

pub use whole_bodies::peak_of_whole_bodies;

const VARIABLE: &str = "CONTROL";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// transaction-check rolls back without a fence.
    WithoutFence,
    /// transaction-check sweeps nothing.
    WithoutSweep,
    /// event-consumer treats handled events as pending, and its effects have no conditions.
    WithoutGuard,
    /// event-consumer takes an event that newer code raised for one that nobody can read.
    WithoutPatience,
}

impl Control {
    const ALL: [Self; 4] =
        [Self::WithoutFence, Self::WithoutSweep, Self::WithoutGuard, Self::WithoutPatience];

    const fn name(self) -> &'static str {
        match self {
            Self::WithoutFence => "without-fence",
            Self::WithoutSweep => "without-sweep",
            Self::WithoutGuard => "without-guard",
            Self::WithoutPatience => "without-patience",
        }
    }

    const fn function(self) -> &'static str {
        match self {
            Self::WithoutFence | Self::WithoutSweep => TRANSACTION_CHECK,
            Self::WithoutGuard | Self::WithoutPatience => EVENT_CONSUMER,
        }
    }

    /// Makes a system run the control in place of its function.
    pub fn stand_in(self, options: &mut SystemOptions) {
        let program: PathBuf = options.binaries.join("control-function");
        options.stand_ins.insert(self.function().to_owned(), program);
        let name = BTreeMap::from([(VARIABLE.to_owned(), self.name().to_owned())]);
        options.function_environment.entry(self.function().to_owned()).or_default().extend(name);
    }
}

/// Runs the control that the environment names until Lambda ends it, or the one that the arguments
/// name, once.
///
/// # Errors
/// When the environment names no control, or the control cannot start.
pub async fn run() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some(whole_bodies::ARGUMENT) {
        return whole_bodies::run();
    }
    let mut settings = Settings::from_environment();
    let named = settings.required(VARIABLE, |text| {
        Control::ALL.into_iter().find(|control| control.name() == text).context("no such control")
    });
    match settings.finish(named)? {
        Control::WithoutFence => without_fence::run().await,
        Control::WithoutSweep => without_sweep::run().await,
        Control::WithoutGuard => without_guard::run().await,
        Control::WithoutPatience => without_patience::run().await,
    }
}

/// Runs transaction-check with these orders and aggregates instead of its own.
async fn check<Orders, Aggregates>(
    orders: impl FnOnce(DynamoOrders) -> Orders,
    aggregates: impl FnOnce(DynamoAggregates) -> Aggregates,
) -> anyhow::Result<()>
where
    Orders: OrderKeys + Fences + Clone + 'static,
    Aggregates: PendingEventStore + PendingEventIndex + Clone + 'static,
{
    let config = transaction_check::config::Config::read(Settings::from_environment())?;
    let tables = dynamodb::connect().await;
    let handler = transaction_check::Handler {
        rocketmq: config.rocketmq,
        orders: orders(DynamoOrders::new(tables.clone(), config.orders.clone())),
        aggregates: aggregates(DynamoAggregates::new(tables, config.orders, config.users)),
        clock: SystemClock,
        identities: UuidIdentitySource,
    };
    let handler = &handler;
    let window = service_fn(async |event: LambdaEvent<transaction_check::WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        Ok::<_, lambda_runtime::Error>(handler.handle(event.payload, time_left, || ()).await?)
    });
    lambda_runtime::run(window).await.map_err(|error| anyhow!(error))
}

/// Runs event-consumer with this subscription and these aggregates instead of its own.
async fn consume<Subscription, Aggregates>(
    subscription: impl FnOnce(RocketmqSubscription) -> Subscription,
    aggregates: impl FnOnce(DynamoAggregates<CatalogTable>) -> Aggregates,
) -> anyhow::Result<()>
where
    Subscription: EventSubscription,
    Aggregates: PendingEventStore + Reservations,
{
    let config = event_consumer::config::Config::read(Settings::from_environment())?;
    let tables = dynamodb::connect().await;
    let broker = RocketmqClient::start(config.rocketmq)?;
    let publisher = RocketmqPublisher::connect(broker.clone(), SystemClock).await;
    let (orders, users) = (config.orders, config.users);
    let stored = DynamoAggregates::new(tables.clone(), orders.clone(), users.clone());
    let handler = event_consumer::Handler {
        consume: ConsumeEvents {
            subscription: subscription(RocketmqSubscription::new(broker, SystemClock)),
            handling: HandleEvents {
                aggregates: aggregates(stored.with_stock(config.catalog)),
                publication: PublishStored { publisher: publisher.clone(), clock: SystemClock },
                identities: UuidIdentitySource,
                registry: Registry::default(),
                groups: ReservationGroups::default(),
            },
            letters: DynamoDeadLetters::new(tables, config.dead_letters)
                .with_aggregates(orders, users),
            announcements: RocketmqDeadLetters::new(&publisher),
            pace: Pace::default(),
        },
    };
    let handler = &handler;
    let window = service_fn(async |event: LambdaEvent<event_consumer::WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        Ok::<_, lambda_runtime::Error>(handler.handle(event.payload, time_left, || ()).await)
    });
    lambda_runtime::run(window).await.map_err(|error| anyhow!(error))
}
