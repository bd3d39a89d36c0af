//! Cancels an order for its customer. What it has taken out of stock goes back with the same write, and
//! so once, whatever else changes the order at the same time.
//!
//! No broker is needed: `OrderCancelled` is pending and was never sent, so the sweep publishes it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{OrderId, ProductId, TransactionId, UserId};
use domain::order::{Order, OrderStatus, StoredOrder, TransitionRefused};
use domain::pending::PendingEvent;

use super::stored;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, ItemReason};
use crate::ports::creating::OrderKeys;
use crate::ports::pending::{IndexChange, OrderChange, ReservationCancelled, StockReturns};
use crate::ports::{Clock, IdentitySource};
use crate::retry::until_settled;

/// What is kept of the request's time for its answer.
const ANSWER: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct CancelOrderCommand {
    /// Whose order.
    pub user_id: UserId,
    /// Which one.
    pub order_id: OrderId,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

/// Cancels orders.
pub struct CancelOrder<Orders, Returns, Time, Identities> {
    /// What is at the keys of orders.
    pub orders: Orders,
    /// The stock that they give back.
    pub returns: Returns,
    /// The wall clock.
    pub clock: Time,
    /// Makes identifiers.
    pub identities: Identities,
}

/// The order is not cancelled, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum CancelOrderError {
    /// It was rejected, so there is nothing to cancel. Nothing was stored.
    #[error(transparent)]
    Refused(#[from] TransitionRefused),
    /// The order couldn't be read. Nothing was stored.
    #[error("the order can't be read")]
    Unreadable(#[source] Failure),
    /// Nobody knows whether it is cancelled. A retry settles it.
    #[error("whether the order is cancelled is not known yet")]
    Open(#[source] Failure),
}

/// What became of the write.
enum Written {
    Stored,
    /// Nothing was stored: the order was changed since it was read.
    Changed(Box<StoredOrder>),
    /// Nothing was stored: these are not in the catalog any more.
    Missing(Vec<ProductId>),
}

impl<Orders, Returns, Time, Identities> CancelOrder<Orders, Returns, Time, Identities>
where
    Orders: OrderKeys,
    Returns: StockReturns,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Cancels an order by `deadline`, and returns it as it is then; one that is cancelled already as it
    /// was found. `None` if the user has no such order.
    ///
    /// # Errors
    ///
    /// [`CancelOrderError`]; each variant says what is stored.
    pub async fn execute(
        &self,
        command: &CancelOrderCommand,
        deadline: Deadline,
    ) -> Result<Option<Order>, CancelOrderError> {
        let deadline = deadline.less(ANSWER);
        let publication = self.identities.transaction_id();
        let stamp = EventStamp {
            event_id: self.identities.event_id(),
            schema_version: SCHEMA_VERSION,
            traceparent: command.traceparent.clone(),
        };
        let found = self.orders.at_key(command.user_id, command.order_id).await.and_then(stored);
        let Some(mut stored) = found.map_err(CancelOrderError::Unreadable)? else {
            return Ok(None);
        };
        loop {
            // Also where one of our own tries has landed unnoticed.
            if stored.order.status() == OrderStatus::Cancelled {
                return Ok(Some(stored.order));
            }
            let (after, _) = stored.order.cancel(self.clock.now(), stamp.clone())?;
            let change = cancellation(&stored, &after, publication);
            match self.store(&change, deadline).await.map_err(CancelOrderError::Open)? {
                None => return Ok(Some(after)),
                Some(changed) => stored = changed,
            }
        }
    }

    /// Stores a change together with what the order gives back. `Some` if the order was changed since it
    /// was read.
    async fn store(
        &self,
        change: &OrderChange<'_>,
        deadline: Deadline,
    ) -> Result<Option<Box<StoredOrder>>, Failure> {
        let order = &change.before.order;
        let mut give = taken_by(order);
        loop {
            let (first, most) = (Duration::from_millis(5), Duration::from_millis(200));
            let pause = Backoff::new(first, most, seed(order.id().as_uuid()));
            let write = |within| self.returns.give_back(change, &give, within);
            let settled = until_settled(deadline, pause, write, |written, _| match written {
                Ok(()) => Some(Written::Stored),
                Err(cancelled) => judge(cancelled),
            });
            match settled.await.map_err(|unsettled| unsettled.failure)? {
                Written::Stored => return Ok(None),
                Written::Changed(found) => return Ok(Some(found)),
                Written::Missing(products) => {
                    for product_id in products {
                        tracing::error!(%product_id, "what is given back is in no catalog");
                        give.remove(&product_id);
                    }
                }
            }
        }
    }
}

/// What an order has taken out of stock: a CONFIRMED one all that it asks for, any other nothing.
fn taken_by(order: &Order) -> BTreeMap<ProductId, u32> {
    match order.status() {
        OrderStatus::Confirmed => {
            let lines = order.lines().iter();
            lines.map(|line| (line.product_id, line.quantity.get().into())).collect()
        }
        OrderStatus::Created | OrderStatus::Rejected | OrderStatus::Cancelled => BTreeMap::new(),
    }
}

/// The write that makes an order cancelled, with its event, which was never sent.
fn cancellation<'a>(
    before: &'a StoredOrder,
    after: &Order,
    publication: TransactionId,
) -> OrderChange<'a> {
    let cancelled = after.history().latest().clone();
    let mut pending = before.pending.clone();
    let event = PendingEvent::unsent(publication, cancelled.at);
    pending.put(cancelled.event.event_id, event);
    let index = IndexChange::between(&before.pending, &pending);
    OrderChange { before, reached: Some(cancelled), notified: None, pending, index }
}

/// What a cancelled write says. A busy item hides what its condition would have said.
fn judge(cancelled: ReservationCancelled) -> Option<Written> {
    let ReservationCancelled { orders, stock } = cancelled;
    if let Some(ItemReason::ConditionFailed(found)) = orders.into_iter().next() {
        // What can't be read settles nothing.
        return found.map(|found| Written::Changed(Box::new(found)));
    }
    let missing = stock.into_iter().filter(|(_, reason)| reason.condition_failed());
    let missing: Vec<_> = missing.map(|(product_id, _)| product_id).collect();
    (!missing.is_empty()).then_some(Written::Missing(missing))
}
