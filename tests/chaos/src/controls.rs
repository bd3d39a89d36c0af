//! Functions without one part of the protocol. What the rows prove must then break.
//!
//! Each is wired as its function is, and then has one adapter replaced by one that leaves the part
//! out. No function of the product has such a switch: only the program `control-function` of these
//! tests runs them in place of a function. `whole_bodies` alone stands in for none: it reads one
//! answer and ends.

mod in_turn;
mod one_queue;
mod whole_bodies;
mod without_fence;
mod without_guard;
mod without_patience;
mod without_sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use application::events::consume::{ConsumeEvents, HandleEvents};
use application::ports::pending::{PendingEventIndex, PendingEventStore};
use application::ports::stock::Reservations;
use application::ports::{EventSubscription, Fences, OrderKeys};
use dynamodb::config::CatalogTable;
use dynamodb::{DynamoAggregates, DynamoOrders};
use harness::system::SystemOptions;
use lambda_runtime::{LambdaEvent, service_fn};
use platform::settings::Settings;
use rocketmq::client::RocketmqClient;
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
    /// event-consumer asks brokers in turn, and waits for each.
    InTurn,
    /// transaction-check sweeps the events of both topics in one queue.
    OneQueue,
}

impl Control {
    const ALL: [Self; 6] = [
        Self::WithoutFence,
        Self::WithoutSweep,
        Self::WithoutGuard,
        Self::WithoutPatience,
        Self::InTurn,
        Self::OneQueue,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::WithoutFence => "without-fence",
            Self::WithoutSweep => "without-sweep",
            Self::WithoutGuard => "without-guard",
            Self::WithoutPatience => "without-patience",
            Self::InTurn => "in-turn",
            Self::OneQueue => "one-queue",
        }
    }

    const fn function(self) -> &'static str {
        match self {
            Self::WithoutFence | Self::WithoutSweep | Self::OneQueue => TRANSACTION_CHECK,
            Self::WithoutGuard | Self::WithoutPatience | Self::InTurn => EVENT_CONSUMER,
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
        Control::InTurn => in_turn::run().await,
        Control::OneQueue => one_queue::run().await,
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
    let function = transaction_check::wiring::handler(config, tables);
    let handler = transaction_check::Handler {
        rocketmq: function.rocketmq,
        orders: orders(function.orders),
        aggregates: aggregates(function.aggregates),
        clock: function.clock,
        identities: function.identities,
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
    let broker = RocketmqClient::start(config.rocketmq.clone())?;
    let function = event_consumer::wiring::handler(config, tables, broker).await.consume;
    let handling = function.handling;
    let consume = ConsumeEvents {
        subscription: subscription(function.subscription),
        handling: HandleEvents {
            aggregates: aggregates(handling.aggregates),
            publication: handling.publication,
            identities: handling.identities,
            registry: handling.registry,
            groups: handling.groups,
        },
        giving_up: function.giving_up,
        pace: function.pace,
    };
    let consume = &consume;
    let window = service_fn(async |event: LambdaEvent<event_consumer::WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        let report = consume.run(event.payload.end(time_left)).await;
        Ok::<_, lambda_runtime::Error>(event_consumer::WindowReport(report))
    });
    lambda_runtime::run(window).await.map_err(|error| anyhow!(error))
}
