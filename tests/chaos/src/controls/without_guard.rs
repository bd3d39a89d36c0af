//! A pending event, the order's revision and its status are each the condition of an effect. This
//! control leaves the conditions out.

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::pending::{
    AggregateChange, Found, IndexChange, OrderChange, PendingEventStore,
};
use application::ports::stock::{ReservationCancelled, Reservations, Taking};
use domain::aggregate::AggregateKey;
use domain::order::{OrderStatus, StoredOrder};
use domain::pending::{PendingEvent, PendingEvents};
use dynamodb::DynamoAggregates;
use dynamodb::config::CatalogTable;

/// Returns orders whose handled events are pending again: `OrderCreated` while another event is
/// pending, and the whole order as it was created once none is. A change is applied to the stored
/// order, even if it has changed since it was read. Stock is reserved again for an order that has
/// its stock.
struct WithoutGuard(DynamoAggregates<CatalogTable>);

fn with_creation_pending(mut stored: StoredOrder) -> StoredOrder {
    let created = stored.created_event();
    if stored.pending.is_empty() {
        stored.order = stored.order.as_created();
    }
    if !stored.pending.holds(created) {
        let again = PendingEvent::unsent(stored.attempt, stored.order.created_at());
        stored.pending.put(created, again);
    }
    stored
}

fn revised(now: &PendingEvents, change: &OrderChange<'_>) -> PendingEvents {
    let mut pending = now.clone();
    for (event_id, _) in change.before.pending.iter() {
        if !change.pending.holds(event_id) {
            pending.remove(event_id);
        }
    }
    for (event_id, entry) in change.pending.iter() {
        if change.before.pending.get(event_id) != Some(entry) {
            pending.put(event_id, entry.clone());
        }
    }
    pending
}

impl WithoutGuard {
    async fn stored_order(&self, key: AggregateKey) -> Result<Option<StoredOrder>, Failure> {
        Ok(match self.0.find(key).await? {
            Some(StoredAggregate::Order(stored)) => Some(stored),
            Some(StoredAggregate::User(_)) | None => None,
        })
    }
}

impl PendingEventStore for WithoutGuard {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        Ok(match self.0.find(key).await? {
            Some(StoredAggregate::Order(stored)) => {
                Some(StoredAggregate::Order(with_creation_pending(stored)))
            }
            found => found,
        })
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        let AggregateChange::Order(change) = change else {
            return self.0.change(change, deadline).await;
        };
        let stored = match self.stored_order(change.before.key()).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return WriteTry::Cancelled(None),
            Err(failure) => return WriteTry::NotBegun(failure),
        };
        let pending = revised(&stored.pending, change);
        let index = IndexChange::at(&pending);
        let (reached, notified) = (change.reached.clone(), change.notified);
        let change = OrderChange { before: &stored, reached, notified, pending, index };
        self.0.change(&change.into(), deadline).await
    }
}

impl Reservations for WithoutGuard {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let mut open = Vec::new();
        for change in changes {
            match self.stored_order(change.before.key()).await {
                Ok(Some(found)) if found.order.status() == OrderStatus::Created => {
                    open.push(change.clone());
                }
                Ok(_) => {}
                Err(failure) => return WriteTry::NotBegun(failure),
            }
        }
        let is_open = |change: &OrderChange<'_>| {
            open.iter().any(|open| open.before.key() == change.before.key())
        };
        match self.0.reserve(&open, take, deadline).await {
            WriteTry::Cancelled(cancelled) => {
                let mut reasons = cancelled.orders.into_iter();
                let orders = changes.iter().map(|change| {
                    is_open(change).then(|| reasons.next()).flatten().unwrap_or(ItemReason::None)
                });
                let orders = orders.collect();
                WriteTry::Cancelled(ReservationCancelled { orders, ..cancelled })
            }
            written => written,
        }
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    super::consume(|subscription| subscription, WithoutGuard).await
}
