//! The wire between a process and the rest of the world.
//!
//! A call leaves its process and is held. Whoever holds it decides whether and when it arrives, and
//! whether and what is answered; a process that dies takes back no call that it has made.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    EndError, HalfMessage, IdempotencyKey, IdempotencyRecord, OrderRepository, Placement,
    PlacementCancelled, PrepareError, RecordedEvent, Resolution, TransactionalPublisher,
};
use domain::identity::{TransactionId, UserId};
use domain::order::Order;
use domain::timestamp::Timestamp;
use testkit::broker::MemoryReceipt;
use testkit::tables::MemoryTables;
use tokio::sync::{mpsc, oneshot};

use super::half::OwnedHalf;

/// Takes an answer back to its caller.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// A call that has left its process.
pub(crate) enum Call {
    /// [`TransactionalPublisher::prepare`]
    Prepare(OwnedHalf, Reply<Result<MemoryReceipt, PrepareError>>),
    /// [`OrderRepository::place`]
    Place(Box<OwnedPlacement>, Reply<WriteTry<PlacementCancelled>>),
    /// [`TransactionalPublisher::end`]
    End(MemoryReceipt, Resolution, Reply<Result<(), EndError>>),
}

/// A process's end of the wire: the ports whose calls can go astray.
#[derive(Clone)]
pub(crate) struct Wire {
    calls: mpsc::UnboundedSender<Call>,
    /// For reads, which are answered at once.
    tables: MemoryTables,
}

impl Wire {
    /// A wire, and the end at which its calls are held.
    pub(crate) fn new(tables: MemoryTables) -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (calls, held) = mpsc::unbounded_channel();
        (Self { calls, tables }, held)
    }

    /// Makes a call, and waits for its answer, for ever if there is none.
    async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> T {
        let (reply, answer) = oneshot::channel();
        // Where nobody holds the call, nobody answers it.
        drop(self.calls.send(call(reply)));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}

impl OrderRepository for Wire {
    async fn place(
        &self,
        placement: &Placement<'_>,
        _deadline: Deadline,
    ) -> WriteTry<PlacementCancelled> {
        let placement = Box::new(OwnedPlacement::of(placement));
        self.call(|reply| Call::Place(placement, reply)).await
    }

    async fn remembered(
        &self,
        user_id: UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, Failure> {
        self.tables.remembered(user_id, key, now).await
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
        self.call(|reply| Call::Prepare(half, reply)).await
    }

    async fn end(
        &self,
        receipt: &MemoryReceipt,
        resolution: Resolution,
        _deadline: Deadline,
    ) -> Result<(), EndError> {
        self.call(|reply| Call::End(*receipt, resolution, reply)).await
    }
}

/// A [`Placement`] on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedPlacement {
    order: Order,
    event: RecordedEvent,
    idempotency: Option<(IdempotencyKey, IdempotencyRecord)>,
    now: Timestamp,
}

impl OwnedPlacement {
    fn of(placement: &Placement<'_>) -> Self {
        Self {
            order: placement.order.clone(),
            event: placement.event.clone(),
            idempotency: placement.idempotency.map(|(key, record)| (key.clone(), record.clone())),
            now: placement.now,
        }
    }

    /// As its port takes it.
    pub(crate) fn borrowed(&self) -> Placement<'_> {
        Placement {
            order: &self.order,
            event: &self.event,
            idempotency: self.idempotency.as_ref().map(|(key, record)| (key, record)),
            now: self.now,
        }
    }

    /// The attempt that makes it.
    pub(crate) const fn transaction_id(&self) -> TransactionId {
        self.event.transaction_id
    }
}
