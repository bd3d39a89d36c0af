use contracts::event::{EventData, OrderCreated, SCHEMA_VERSION};
use domain::event::EventStamp;
use domain::order::{Order, OrderEvent, OrderLine, OrderLines};
use domain::timestamp::Timestamp;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::consume_events::attempt::{EffectOutcome, inbox_record, store, store_nothing};
use crate::consume_events::{EventHandler, HandlerError, IncomingEvent};
use crate::event::{created_order, unpublished};
use crate::ports::{
    Clock, IdentitySource, Inbox, InboxRecord, Inventory, Outbox, RecordedEvent, StockDecision,
    TransactionalPublisher,
};
use crate::publish_recorded_event::PublishRecordedEvent;

/// Reserves an order's stock: the order becomes CONFIRMED, or REJECTED where there is not enough.
///
/// What becomes of it is an event of its own, recorded in the same transaction and published right
/// after it; the sweep publishes what is missed.
pub struct InventoryHandler<V, I, N, O, P, K> {
    /// The stock and the orders that wait for it.
    pub inventory: V,
    /// For orders that wait for nothing any more.
    pub inbox: I,
    /// Makes identifiers.
    pub identities: N,
    /// Publishes what was decided.
    pub publication: PublishRecordedEvent<O, P, K>,
}

impl<V, I, N, O, P, K> InventoryHandler<V, I, N, O, P, K>
where
    V: Inventory,
    I: Inbox,
    N: IdentitySource,
    O: Outbox,
    P: TransactionalPublisher,
    K: Clock,
{
    async fn reserve(
        &self,
        incoming: &IncomingEvent,
        created: &OrderCreated,
    ) -> Result<(), HandlerError> {
        let record = inbox_record(self.name(), incoming);
        let raised_at = Timestamp::from_millis(incoming.event.time.as_millis());
        let stamp = |event_id| EventStamp {
            event_id,
            schema_version: SCHEMA_VERSION,
            traceparent: incoming.traceparent.clone(),
        };
        let order =
            created_order(created, raised_at, stamp(incoming.event_id)).map_err(hopeless)?;
        let lines = reserved(&order)?;
        let decided = || stamp(self.identities.event_id());
        let confirmed = order.confirm(incoming.received_at, decided()).map_err(hopeless)?;
        let outcome = self.decide(incoming, &record, confirmed, Some(&lines)).await?;
        if outcome == EffectOutcome::StockShort {
            let rejected = order.reject(incoming.received_at, decided()).map_err(hopeless)?;
            self.decide(incoming, &record, rejected, None).await?;
        }
        Ok(())
    }

    async fn decide(
        &self,
        incoming: &IncomingEvent,
        record: &InboxRecord,
        (order, event): (Order, OrderEvent),
        reserve: Option<&OrderLines>,
    ) -> Result<EffectOutcome, HandlerError> {
        let event = unpublished(self.identities.transaction_id(), &event).map_err(hopeless)?;
        let decision = StockDecision { order: &order, event: &event, reserve };
        let outcome =
            store(incoming, |within| self.inventory.decide(record, &decision, within)).await?;
        match outcome {
            // If another delivery's decision was stored and not this one, there is no such event to
            // claim.
            EffectOutcome::Stored => self.publish(&event).await,
            EffectOutcome::SubjectRefused => {
                store_nothing(&self.inbox, record, incoming).await?;
            }
            EffectOutcome::AlreadyHandled | EffectOutcome::StockShort => {}
        }
        Ok(outcome)
    }

    async fn publish(&self, event: &RecordedEvent) {
        if let Err(error) = self.publication.publish(event).await {
            tracing::warn!(
                event_id = %event.message.event_id,
                transaction_id = %event.transaction_id,
                error = &error as &dyn std::error::Error,
                "an event is left to the sweep"
            );
        }
    }
}

impl<V, I, N, O, P, K> EventHandler for InventoryHandler<V, I, N, O, P, K>
where
    V: Inventory,
    I: Inbox,
    N: IdentitySource,
    O: Outbox,
    P: TransactionalPublisher,
    K: Clock,
{
    fn name(&self) -> &'static str {
        "inventory"
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async move {
            match &incoming.event.data {
                EventData::OrderCreated(created) => self.reserve(incoming, created).await,
                EventData::OrderConfirmed(_)
                | EventData::OrderRejected(_)
                | EventData::OrderCancelled(_)
                | EventData::UserRegistered(_)
                | EventData::UserLoggedIn(_) => Ok(()),
            }
        }
        .boxed()
    }
}

/// What an order takes out of stock.
fn reserved(order: &Order) -> Result<OrderLines, HandlerError> {
    let lines: Vec<_> = order
        .lines()
        .iter()
        .map(|line| OrderLine { product_id: line.product_id, quantity: line.quantity.get().into() })
        .collect();
    OrderLines::merge(&lines).map_err(hopeless)
}

/// The event tells something that no order does; it will never be handled.
fn hopeless(error: impl std::error::Error) -> HandlerError {
    HandlerError::Hopeless(error.to_string())
}
