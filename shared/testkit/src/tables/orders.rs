//! Orders, prices and attempts.

use std::collections::HashMap;

use application::deadline::Deadline;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::{
    Catalog, FenceOutcome, IdempotencyKey, IdempotencyRecord, OrderReader, OrderRepository,
    Placement, PlacementCancelled, TransactionLedger, TransactionState,
};
use domain::identity::{EventId, OrderId, ProductId, TransactionId, UserId};
use domain::money::Money;
use domain::order::Order;
use domain::timestamp::Timestamp;

use super::MemoryTables;
use super::rows::Rows;
use crate::fault::Operation;

/// What a busy item makes of a placement.
const BUSY: PlacementCancelled = PlacementCancelled {
    order: ItemReason::Busy,
    event: ItemReason::None,
    transaction: ItemReason::None,
    idempotency: ItemReason::None,
};

fn found<T>(found: Option<T>) -> ItemReason<T> {
    match found {
        None => ItemReason::None,
        Some(found) => ItemReason::ConditionFailed(Some(found)),
    }
}

/// A second try of an attempt is cancelled, too: the store reports the records of its own making.
fn reasons(rows: &Rows, placement: &Placement<'_>) -> PlacementCancelled {
    let Placement { order, event, idempotency, now } = placement;
    let live = idempotency.and_then(|(key, _)| {
        let record = rows.idempotency.get(&(order.user_id(), key.clone()));
        record.filter(|record| *now < record.expires_at).cloned()
    });
    PlacementCancelled {
        order: found(rows.orders.get(&(order.user_id(), order.id())).map(|_| ())),
        event: found(rows.events.get(&event.message.event_id).map(|_| ())),
        transaction: found(rows.attempts.get(&event.transaction_id).copied()),
        idempotency: found(live),
    }
}

impl OrderRepository for MemoryTables {
    async fn place(
        &self,
        placement: &Placement<'_>,
        deadline: Deadline,
    ) -> WriteTry<PlacementCancelled> {
        let order = placement.order.clone();
        let event = placement.event.clone();
        let idempotency = placement.idempotency.map(|(key, record)| (key.clone(), record.clone()));
        let now = placement.now;
        self.write(Operation::Place, deadline, BUSY, move |rows| {
            let placement = Placement {
                order: &order,
                event: &event,
                idempotency: idempotency.as_ref().map(|(key, record)| (key, record)),
                now,
            };
            let reasons = reasons(rows, &placement);
            let PlacementCancelled {
                order: by_order,
                event: by_event,
                transaction,
                idempotency: by_key,
            } = &reasons;
            if by_order.condition_failed()
                || by_event.condition_failed()
                || transaction.condition_failed()
                || by_key.condition_failed()
            {
                return Err(reasons);
            }
            rows.record(&event);
            let user_id = order.user_id();
            rows.orders.insert((user_id, order.id()), order);
            rows.idempotency.extend(idempotency.map(|(key, record)| ((user_id, key), record)));
            Ok(())
        })
        .await
    }

    async fn remembered(
        &self,
        user_id: UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, Failure> {
        self.read(Operation::Remembered, |rows| {
            let record = rows.idempotency.get(&(user_id, key.clone()));
            record.filter(|record| now < record.expires_at).cloned()
        })
        .await
    }
}

impl OrderReader for MemoryTables {
    async fn find(&self, user_id: UserId, order_id: OrderId) -> Result<Option<Order>, Failure> {
        self.read(Operation::Find, |rows| rows.orders.get(&(user_id, order_id)).cloned()).await
    }
}

impl Catalog for MemoryTables {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        self.read(Operation::Prices, |rows| {
            let sold = products.iter().filter_map(|id| rows.products.get(id));
            sold.map(|product| (product.id, product.unit_price)).collect()
        })
        .await
    }
}

impl TransactionLedger for MemoryTables {
    async fn state(
        &self,
        transaction_id: TransactionId,
    ) -> Result<Option<TransactionState>, Failure> {
        self.read(Operation::State, |rows| rows.attempts.get(&transaction_id).copied()).await
    }

    async fn attempt_that_recorded(
        &self,
        event_id: EventId,
    ) -> Result<Option<TransactionId>, Failure> {
        self.read(Operation::AttemptThatRecorded, |rows| {
            rows.events.get(&event_id).map(|stored| stored.event.transaction_id)
        })
        .await
    }

    async fn fence(&self, transaction_id: TransactionId, _expires_at: Timestamp) -> FenceOutcome {
        let fenced = self
            .change_if(Operation::Fence, move |rows| {
                let absent = !rows.attempts.contains_key(&transaction_id);
                if absent {
                    rows.attempts.insert(transaction_id, TransactionState::Fenced);
                }
                absent
            })
            .await;
        match fenced {
            Ok(true) => FenceOutcome::Won,
            Ok(false) => FenceOutcome::Lost,
            Err(failure) => FenceOutcome::Unknown(failure),
        }
    }
}
