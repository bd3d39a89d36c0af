//! The calls that leave a process while an order is created. Calls that can be lost are held, and
//! all others are answered immediately.

use std::collections::HashMap;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, WriteTry};
use application::ports::pending::{AggregateChange, Found, PendingEventStore};
use application::ports::{
    Catalog, EndError, Fences, HalfMessage, OrderCreation, OrderKeys, PrepareError, Resolution,
    TransactionalPublisher,
};
use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, ProductId, TransactionId, UserId};
use domain::money::Money;
use domain::order::{AtKey, NewOrder};
use domain::timestamp::Timestamp;
use testkit::broker::MemoryReceipt;
use testkit::tables::MemoryTables;
use tokio::sync::mpsc;

use crate::replay::half::OwnedHalf;
use crate::replay::line::{Line, Reply};

pub(crate) enum Call {
    /// [`TransactionalPublisher::prepare`]
    Prepare(OwnedHalf, Reply<Result<MemoryReceipt, PrepareError>>),
    /// [`OrderCreation::create`]
    Create(Box<NewOrder>, Reply<WriteTry<AtKey>>),
    /// [`TransactionalPublisher::end`]
    End(MemoryReceipt, Resolution, Reply<Result<(), EndError>>),
    /// [`Fences::fence`]
    Fence(Fence, Reply<WriteTry<()>>),
}

pub(crate) struct Fence {
    user_id: UserId,
    order_id: OrderId,
    attempt: TransactionId,
    tombstone_until: Timestamp,
}

impl Fence {
    pub(crate) async fn arrive(self, tables: &MemoryTables) -> WriteTry<()> {
        tables.fence(self.user_id, self.order_id, self.attempt, self.tombstone_until).await
    }
}

/// A process's end of the wire.
#[derive(Clone)]
pub(crate) struct Wire {
    line: Line<Call>,
    tables: MemoryTables,
    is_sold_out: bool,
}

impl Wire {
    /// Also returns the end at which calls are held.
    pub(crate) fn new(tables: MemoryTables) -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (line, held) = Line::new();
        (Self { line, tables, is_sold_out: false }, held)
    }

    pub(crate) fn with_empty_catalog(self) -> Self {
        Self { is_sold_out: true, ..self }
    }
}

impl OrderCreation for Wire {
    async fn create(&self, new: &NewOrder, _deadline: Deadline) -> WriteTry<AtKey> {
        let new = Box::new(new.clone());
        self.line.call(|reply| Call::Create(new, reply)).await
    }
}

impl TransactionalPublisher for Wire {
    type Receipt = MemoryReceipt;

    async fn prepare(
        &self,
        half: &HalfMessage<'_>,
        _deadline: Deadline,
    ) -> Result<MemoryReceipt, PrepareError> {
        let half = OwnedHalf::of(half);
        self.line.call(|reply| Call::Prepare(half, reply)).await
    }

    async fn end(
        &self,
        receipt: &MemoryReceipt,
        resolution: Resolution,
        _deadline: Deadline,
    ) -> Result<(), EndError> {
        self.line.call(|reply| Call::End(*receipt, resolution, reply)).await
    }
}

impl Fences for Wire {
    async fn fence(
        &self,
        user_id: UserId,
        order_id: OrderId,
        attempt: TransactionId,
        tombstone_until: Timestamp,
    ) -> WriteTry<()> {
        let fence = Fence { user_id, order_id, attempt, tombstone_until };
        self.line.call(|reply| Call::Fence(fence, reply)).await
    }
}

impl Catalog for Wire {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        if self.is_sold_out { Ok(HashMap::new()) } else { self.tables.prices(products).await }
    }
}

impl OrderKeys for Wire {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        self.tables.at_key(user_id, order_id).await
    }
}

impl PendingEventStore for Wire {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        PendingEventStore::find(&self.tables, key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.tables.change(change, deadline).await
    }
}
