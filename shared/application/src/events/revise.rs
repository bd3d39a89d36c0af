//! Changes an aggregate that others change at the same time.

use std::time::Duration;

use domain::order::StoredOrder;

use super::StoredAggregate;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::pending::{OrderChange, PendingEventStore};
use crate::retry::until_settled;

/// Makes a change of what is pending of an order. When the order was changed meanwhile, the change is
/// made anew from what is found. A try whose answer was lost is found as a change that others made.
///
/// Returns the order with the change; none if there was nothing left to change, as of what was found.
///
/// # Errors
///
/// [`Failure`] if that is not settled by `deadline`: the change may or may not be stored.
pub(super) async fn revise<Aggregates: PendingEventStore>(
    aggregates: &Aggregates,
    mut stored: StoredOrder,
    deadline: Deadline,
    change: impl Fn(&StoredOrder) -> Option<OrderChange<'_>>,
) -> Result<Option<StoredOrder>, Failure> {
    loop {
        let Some(next) = change(&stored) else { return Ok(None) };
        match store(aggregates, &next, deadline).await? {
            None => {
                let pending = next.pending.clone();
                let revision = stored.revision.saturating_add(1);
                return Ok(Some(StoredOrder { pending, revision, ..stored }));
            }
            Some(found) => stored = found,
        }
    }
}

/// Stores one change as it is. `Some` if the order was changed since it was read. What can't be read
/// settles nothing and is tried again.
///
/// # Errors
///
/// [`Failure`] if that is not settled by `deadline`: the change may or may not be stored.
pub(super) async fn store<Aggregates: PendingEventStore>(
    aggregates: &Aggregates,
    change: &OrderChange<'_>,
    deadline: Deadline,
) -> Result<Option<StoredOrder>, Failure> {
    let seed = seed(change.before.order.id().as_uuid());
    let pause = Backoff::new(Duration::from_millis(5), Duration::from_millis(500), seed);
    let write = |within| aggregates.change(change, within);
    let settled = until_settled(deadline, pause, write, |written, _| match written {
        Ok(()) => Some(None),
        Err(Some(StoredAggregate::Order(found))) => Some(Some(found)),
        Err(None) => None,
    });
    settled.await.map_err(|unsettled| unsettled.failure)
}
