use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::pending::{AggregateChange, Found, OrderChange, PendingEventStore};
use application::ports::stock::{
    ReservationCancelled, Reservations, Returning, StockReturns, Taking,
};
use application::ports::{CheckAnswer, CheckBack, CheckBackHandler, Fences, OrderKeys};
use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::AtKey;
use domain::product::Product;
use domain::timestamp::Timestamp;

use crate::tables::MemoryTables;

/// A part of the protocol that a run can leave out, to see that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Check-backs are answered from the order, which names the attempt that created it. Without
    /// this, each one is answered COMMIT, as in many examples.
    Ledger,
    /// A tombstone makes a rollback final. Without it, a late write still creates the order.
    Fence,
    /// The sweep publishes events again that the broker has lost. Without it, they stay lost.
    Sweep,
    /// The order's revision is raised with each effect. Without this, each delivery has its effect
    /// again.
    Guard,
    /// An event is pending until it is handled. Without this, only until it is received.
    Pending,
    /// The stock of a cancelled order is given back on condition of the order's revision. Without
    /// this, each try gives it back.
    Return,
}

/// Orders with fences that stop no write: only the checker that made a fence sees it.
#[derive(Clone)]
pub(super) struct Unfenced {
    tables: MemoryTables,
    fenced: Arc<Mutex<BTreeSet<TransactionId>>>,
}

impl Unfenced {
    pub(super) fn new(tables: MemoryTables) -> Self {
        Self { tables, fenced: Arc::default() }
    }
}

impl OrderKeys for Unfenced {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        let found = self.tables.at_key(user_id, order_id).await?;
        let fenced = self.fenced.lock().unwrap().clone();
        Ok(if found == AtKey::Absent {
            AtKey::Tombstone(fenced.into_iter().collect())
        } else {
            found
        })
    }
}

impl Fences for Unfenced {
    async fn fence(
        &self,
        _user_id: UserId,
        _order_id: OrderId,
        attempt: TransactionId,
        _tombstone_until: Timestamp,
    ) -> WriteTry<()> {
        self.fenced.lock().unwrap().insert(attempt);
        WriteTry::Done
    }
}

impl PendingEventStore for Unfenced {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        self.tables.find(key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.tables.change(change, deadline).await
    }
}

/// The aggregates of a consumer, or of cancel-order, without the part `left_out`.
#[derive(Clone)]
pub(super) struct Ablated {
    pub(super) tables: MemoryTables,
    pub(super) left_out: Option<Part>,
}

impl PendingEventStore for Ablated {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        let found = self.tables.find(key).await?;
        if self.left_out == Some(Part::Pending)
            && let Some(StoredAggregate::Order(stored)) = &found
        {
            // A received event is not pending any more, even if handling it fails.
            self.tables.leave_index(stored.order.id());
        }
        Ok(found)
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.tables.change(change, deadline).await
    }
}

impl Reservations for Ablated {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let reserved = self.tables.reserve(changes, take, deadline).await;
        if self.left_out == Some(Part::Guard)
            && let WriteTry::Cancelled(cancelled) = &reserved
            && cancelled.orders.iter().any(ItemReason::condition_failed)
        {
            // The stock is reserved even though the order has changed.
            drop(self.tables.reserve(&[], take, deadline).await);
        }
        reserved
    }
}

impl StockReturns for Ablated {
    async fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &Returning,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let returned = self.tables.give_back(change, give, deadline).await;
        if self.left_out == Some(Part::Return)
            && let WriteTry::Cancelled(cancelled) = &returned
            && cancelled.orders.iter().any(ItemReason::condition_failed)
        {
            // The stock is given back even though the order has changed.
            for (product_id, quantity) in &give.stock {
                let product = self.tables.product(*product_id).unwrap();
                let stock = product.stock + quantity;
                self.tables.put_product(Product { stock, ..product });
            }
        }
        returned
    }
}

pub(super) struct AlwaysCommit;

impl CheckBackHandler for AlwaysCommit {
    async fn answer(&self, _check: CheckBack) -> CheckAnswer {
        CheckAnswer::Commit
    }
}
