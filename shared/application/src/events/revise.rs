//! Changes an aggregate that others change at the same time.

use std::time::Duration;

use domain::order::StoredOrder;

use super::StoredAggregate;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::pending::{Found, OrderChange, PendingEventStore};
use crate::retry::until_settled;

/// What became of a change.
#[derive(Debug)]
pub(super) enum Revised {
    /// It is stored, and this is the order with it.
    Stored(Box<StoredOrder>),
    /// There is nothing to change any more, as of what was found.
    NothingLeft,
}

/// Makes a change of what is pending of an order. When the order was changed meanwhile, the change is made anew from
/// what is found, until there is nothing left to change. A try whose answer was lost is found as a
/// change that others made.
///
/// # Errors
///
/// [`Failure`] if that is not settled by `deadline`: the change may or may not be stored.
pub(super) async fn revise<Aggregates: PendingEventStore>(
    aggregates: &Aggregates,
    mut stored: StoredOrder,
    deadline: Deadline,
    change: impl Fn(&StoredOrder) -> Option<OrderChange<'_>>,
) -> Result<Revised, Failure> {
    loop {
        let Some(next) = change(&stored) else { return Ok(Revised::NothingLeft) };
        let seed = seed(stored.order.id().as_uuid());
        let pause = Backoff::new(Duration::from_millis(5), Duration::from_millis(500), seed);
        let store = |within| aggregates.change(&next, within);
        let settled = until_settled(deadline, pause, store, |written, _| changed(written)).await;
        match settled.map_err(|unsettled| unsettled.failure)? {
            None => {
                let pending = next.pending.clone();
                let revision = stored.revision.saturating_add(1);
                return Ok(Revised::Stored(Box::new(StoredOrder { pending, revision, ..stored })));
            }
            Some(found) => stored = found,
        }
    }
}

/// What one try comes to: stored, or another order than the one that was read. `None` if what is
/// there could not be read: it is tried again.
fn changed(written: Result<(), Found>) -> Option<Option<StoredOrder>> {
    match written {
        Ok(()) => Some(None),
        Err(Some(StoredAggregate::Order(found))) => Some(Some(found)),
        Err(None) => None,
    }
}
