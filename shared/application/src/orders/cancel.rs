//! Cancels an order for its account.
//!
//! The same write puts its reserved items back into stock and lowers its account's count of open
//! units, so that this happens once, whatever else changes the order at the same time.
//!
//! No broker is needed: `OrderCancelled` is pending and was never sent, so the sweep publishes it
//! at once.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{OrderId, ProductId, TransactionId, UserId};
use domain::order::{Order, OrderStatus, StoredOrder, TransitionRefused};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;

use super::stored;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, ItemReason};
use crate::ports::pending::{IndexChange, OrderChange};
use crate::ports::stock::{ReservationCancelled, Returning, StockReturns};
use crate::ports::{Clock, IdentitySource, OrderKeys};
use crate::retry::{Unsettled, until_settled};

/// The part of the request's time that is kept for the answer.
const ANSWER: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct CancelOrderCommand {
    pub user_id: UserId,
    pub order_id: OrderId,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

pub struct CancelOrder<Orders, Returns, Time, Identities> {
    pub orders: Orders,
    /// Stores the change together with the stock that the order gives back.
    pub returns: Returns,
    pub clock: Time,
    pub identities: Identities,
}

/// The request did not cancel the order, or whether it did is unknown.
#[derive(Debug, thiserror::Error)]
pub enum CancelOrderError {
    /// The order was rejected, so there is nothing to cancel. Nothing was stored.
    #[error(transparent)]
    Refused(#[from] TransitionRefused),
    /// The order couldn't be read, or the write was refused. This request stored nothing.
    #[error("the request to cancel the order stored nothing")]
    NotStored(#[source] Failure),
    /// Whether the order is cancelled is unknown. A retry settles this.
    #[error("whether the order is cancelled is not known yet")]
    Open(#[source] Failure),
}

enum CancelWrite {
    Stored,
    /// Nothing was stored: the order was changed after it was read.
    Changed(Box<StoredOrder>),
    /// Nothing was stored: these products are no longer in the catalog, or the count of open units
    /// is gone.
    Missing {
        products: Vec<ProductId>,
        count: bool,
    },
}

impl<Orders, Returns, Time, Identities> CancelOrder<Orders, Returns, Time, Identities>
where
    Orders: OrderKeys,
    Returns: StockReturns,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Cancels an order by `deadline` and returns it. An order that is cancelled already is
    /// returned as it was found. `None` if the user has no such order.
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
        let Some(mut stored) = found.map_err(CancelOrderError::NotStored)? else {
            return Ok(None);
        };
        loop {
            // Also if one of our own tries was stored unnoticed.
            if stored.order.status() == OrderStatus::Cancelled {
                return Ok(Some(stored.order));
            }
            let (after, _) = stored.order.cancel(self.clock.now(), stamp.clone())?;
            let change = cancellation(&stored, &after, publication);
            match self.store(&change, publication, deadline).await? {
                None => return Ok(Some(after)),
                Some(changed) => stored = changed,
            }
        }
    }

    /// Stores a change together with the stock that the order gives back. `Some` if the order was
    /// changed after it was read.
    async fn store(
        &self,
        change: &OrderChange<'_>,
        publication: TransactionId,
        deadline: Deadline,
    ) -> Result<Option<Box<StoredOrder>>, CancelOrderError> {
        let order = &change.before.order;
        let mut give = taken_by(order, self.clock.now());
        loop {
            let (first, most) = (Duration::from_millis(5), Duration::from_millis(200));
            // Cancels of one order that collide must not wait equally long.
            let pause = Backoff::new(first, most, seed(publication.as_uuid()));
            let write = |within| self.returns.give_back(change, &give, within);
            let settled = until_settled(deadline, pause, write, |written, _| match written {
                Ok(()) => Some(CancelWrite::Stored),
                Err(cancelled) => judge(cancelled),
            });
            match settled.await.map_err(not_settled)? {
                CancelWrite::Stored => return Ok(None),
                CancelWrite::Changed(found) => return Ok(Some(found)),
                CancelWrite::Missing { products, count } => {
                    if count {
                        tracing::error!(
                            order_id = %order.id(),
                            "the open units of the cancelled order are not counted"
                        );
                        give.open = None;
                    }
                    for product_id in products {
                        tracing::error!(
                            %product_id,
                            "a product of the cancelled order is not in the catalog"
                        );
                        give.stock.remove(&product_id);
                    }
                }
            }
        }
    }
}

fn not_settled(unsettled: Unsettled) -> CancelOrderError {
    let Unsettled { failure, in_doubt } = unsettled;
    if in_doubt { CancelOrderError::Open(failure) } else { CancelOrderError::NotStored(failure) }
}

/// What an order has taken: all of its items if it is CONFIRMED, otherwise nothing. Its units no
/// longer count once their period is over, and the count may be deleted.
fn taken_by(order: &Order, now: Timestamp) -> Returning {
    match order.status() {
        OrderStatus::Confirmed => {
            let lines = order.lines().iter();
            let stock = lines.map(|line| (line.product_id, line.quantity.get().into()));
            let counts = order.open_count().filter(|count| now < count.period.end());
            let open = counts.map(|count| (count, order.units()));
            Returning { stock: stock.collect(), open }
        }
        OrderStatus::Created | OrderStatus::Rejected | OrderStatus::Cancelled => {
            Returning::default()
        }
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

/// The outcome of a cancelled write. The condition of a busy item is not known.
fn judge(cancelled: ReservationCancelled) -> Option<CancelWrite> {
    let ReservationCancelled { orders, stock, open } = cancelled;
    if let Some(ItemReason::ConditionFailed(found)) = orders.into_iter().next() {
        // An order that can't be read settles nothing.
        return found.map(|found| CancelWrite::Changed(Box::new(found)));
    }
    let missing = stock.into_iter().filter(|(_, reason)| reason.condition_failed());
    let products: Vec<_> = missing.map(|(product_id, _)| product_id).collect();
    let count = open.values().any(ItemReason::condition_failed);
    (count || !products.is_empty()).then_some(CancelWrite::Missing { products, count })
}
