//! event-consumer, one copy at a time.

use std::sync::Arc;
use std::time::Duration;

use application::consume_events::{
    ConsumeEvents, ConsumptionReport, EventHandler, HandlerError, IncomingEvent, ObserverHandler,
    Pace, Registry, Subscribed,
};
use application::deadline::Deadline;
use application::outcome::{Failure, Settled};
use application::ports::{Delivery, EventSubscription};
use contracts::message;
use domain::identity::TransactionId;
use futures::FutureExt;
use futures::future::BoxFuture;
use testkit::broker::{MemoryBroker, MemoryDelivery};
use testkit::world::World;
use tokio::sync::Notify;

/// Handles and acknowledges one copy of an attempt's event.
pub(crate) async fn deliver(world: &World, event: TransactionId) {
    let subscription = OneCopy::of(world, event, WhenHandled::Acknowledge);
    let report = consume(world, subscription, world.registry()).await;
    assert_eq!(report, ConsumptionReport { handled: 1, ..ConsumptionReport::default() });
}

/// Handles one copy, and dies before the acknowledgement.
pub(crate) async fn crash_before_ack(world: &World, event: TransactionId) {
    let death = Arc::new(Notify::new());
    let subscription = OneCopy::of(world, event, WhenHandled::Die(Arc::clone(&death)));
    until(&death, consume(world, subscription, world.registry())).await;
}

/// Observes one copy, and dies before its effect.
pub(crate) async fn crash_before_effect(world: &World, event: TransactionId) {
    let death = Arc::new(Notify::new());
    let observer =
        ObserverHandler { observations: world.tables.clone(), inbox: world.tables.clone() };
    let registry = Registry::default()
        .with(Subscribed::ToAll, observer)
        .with(Subscribed::ToAll, Dies(Arc::clone(&death)));
    let subscription = OneCopy::of(world, event, WhenHandled::Acknowledge);
    until(&death, consume(world, subscription, registry)).await;
}

/// Lets a consumer run until it dies.
async fn until(death: &Notify, consuming: impl Future<Output = ConsumptionReport>) {
    tokio::select! {
        () = death.notified() => {}
        report = consuming => panic!("the consumer lives: {report:?}"),
    }
}

/// A window with time for one request for messages.
async fn consume(world: &World, subscription: OneCopy, registry: Registry) -> ConsumptionReport {
    // What an earlier consumer has died with becomes visible again.
    tokio::time::advance(subscription.invisible_for()).await;
    let consumer = ConsumeEvents {
        subscription,
        dead_letters: world.tables.clone(),
        announcements: world.broker.clone(),
        clock: world.clock.clone(),
        registry,
        pace: Pace { pollers: 1, ..Pace::default() },
    };
    let after_the_last_request = Pace::default().event + Duration::from_secs(1);
    consumer.run(Deadline::after(after_the_last_request + Duration::from_millis(1))).await
}

/// Delivers one copy of an attempt's event, and leaves all others where they are.
struct OneCopy {
    broker: MemoryBroker,
    transaction_id: String,
    when_handled: WhenHandled,
}

enum WhenHandled {
    Acknowledge,
    /// The consumer dies instead.
    Die(Arc<Notify>),
}

impl OneCopy {
    fn of(world: &World, event: TransactionId, when_handled: WhenHandled) -> Self {
        Self { broker: world.broker.clone(), transaction_id: event.to_string(), when_handled }
    }
}

impl EventSubscription for OneCopy {
    type Delivery = MemoryDelivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<MemoryDelivery>, Failure> {
        let all = self.broker.receive(most, deadline).await?;
        let (mut ours, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|copy| copy.property(message::TRANSACTION_ID) == Some(&self.transaction_id));
        for copy in ours.drain(1.min(ours.len())..).chain(others) {
            drop(self.broker.retry_after(&copy, Duration::ZERO).await);
        }
        // There is no second request.
        tokio::time::sleep(deadline.remaining()).await;
        Ok(ours)
    }

    fn invisible_for(&self) -> Duration {
        self.broker.invisible_for()
    }

    async fn acknowledge(&self, delivery: &MemoryDelivery) -> Settled {
        match &self.when_handled {
            WhenHandled::Acknowledge => self.broker.acknowledge(delivery).await,
            WhenHandled::Die(death) => {
                death.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn retry_after(&self, delivery: &MemoryDelivery, delay: Duration) -> Settled {
        self.broker.retry_after(delivery, delay).await
    }
}

/// A handler over which the consumer dies.
struct Dies(Arc<Notify>);

impl EventHandler for Dies {
    fn name(&self) -> &'static str {
        "dies"
    }

    fn handle<'a>(
        &'a self,
        _incoming: &'a IncomingEvent,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        self.0.notify_one();
        std::future::pending().boxed()
    }
}
