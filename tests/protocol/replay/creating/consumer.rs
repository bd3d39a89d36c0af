//! event-consumer, one copy at a time.

use std::convert::Infallible;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{ConsumeEvents, ConsumptionReport, Pace, Registry};
use application::outcome::{Failure, WriteTry};
use application::ports::{Delivery, EventSubscription};
use contracts::message;
use domain::identity::EventId;
use testkit::broker::{MemoryBroker, MemoryDelivery};
use testkit::world::World;

use super::stage::order_id;

/// Handles and acknowledges one copy of the order's event. Without an order the event is foreign.
///
/// The events that follow belong to the model of [pending](crate::pending) events, so they are
/// handled immediately.
pub(crate) async fn deliver(world: &World, event: EventId) {
    let is_ours = world.tables.stored_order(order_id()).is_some();
    let report = consume(world, Wanted::OneOf(event)).await;
    let (handled, foreign) = if is_ours { (1, 0) } else { (0, 1) };
    assert_eq!(report, ConsumptionReport { handled, foreign, ..ConsumptionReport::default() });
    let report = consume(world, Wanted::AllBut(event)).await;
    let handled = report.handled;
    assert!(handled <= 1, "what follows is published once: {report:?}");
    assert_eq!(report, ConsumptionReport { handled, ..ConsumptionReport::default() });
}

/// The window has time for one request for messages.
async fn consume(world: &World, wanted: Wanted) -> ConsumptionReport {
    let in_memory = world.consume_pending(Registry::default());
    let consumer = ConsumeEvents {
        subscription: SomeCopies { broker: world.broker.clone(), wanted },
        handling: in_memory.handling,
        giving_up: in_memory.giving_up,
        pace: Pace { pollers: 1, ..Pace::default() },
    };
    let after_the_last_request = Pace::default().event + Duration::from_secs(1);
    consumer.run(Deadline::after(after_the_last_request + Duration::from_millis(1))).await
}

/// Delivers some of the copies, and keeps all others.
struct SomeCopies {
    broker: MemoryBroker,
    wanted: Wanted,
}

#[derive(Clone, Copy)]
enum Wanted {
    OneOf(EventId),
    AllBut(EventId),
}

impl EventSubscription for SomeCopies {
    type Delivery = MemoryDelivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<MemoryDelivery>, Failure> {
        let all = self.broker.receive(most, deadline).await?;
        let (Wanted::OneOf(event) | Wanted::AllBut(event)) = self.wanted;
        let event = event.to_string();
        let (mut of_event, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|copy| copy.property(message::EVENT_ID) == Some(event.as_str()));
        let (wanted, left) = match self.wanted {
            Wanted::OneOf(_) => {
                let second = of_event.split_off(1.min(of_event.len()));
                (of_event, [second, others].concat())
            }
            Wanted::AllBut(_) => (others, of_event),
        };
        for copy in left {
            drop(self.broker.retry_after(&copy, Duration::ZERO).await);
        }
        // There is no second request.
        tokio::time::sleep(deadline.remaining()).await;
        Ok(wanted)
    }

    async fn acknowledge(&self, delivery: &MemoryDelivery) -> WriteTry<Infallible> {
        self.broker.acknowledge(delivery).await
    }

    async fn retry_after(
        &self,
        delivery: &MemoryDelivery,
        delay: Duration,
    ) -> WriteTry<Infallible> {
        self.broker.retry_after(delivery, delay).await
    }
}
