//! Changes an aggregate that others may change at the same time.

use std::time::Duration;

use domain::aggregate::AggregateKey;

use super::StoredAggregate;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::pending::{AggregateChange, PendingEventStore};
use crate::retry::until_settled;

/// Changes the pending events of an aggregate. If the aggregate was changed meanwhile, the change
/// is computed again from what is found. An earlier try whose answer was lost looks like a change
/// by others.
///
/// Returns the aggregate with the change; `None` if what was found needs no change.
///
/// # Errors
///
/// [`Failure`] if that is not settled by `deadline`: the change may or may not be stored.
pub(crate) async fn revise<Aggregates: PendingEventStore>(
    aggregates: &Aggregates,
    mut stored: StoredAggregate,
    deadline: Deadline,
    change: impl Fn(&StoredAggregate) -> Option<AggregateChange<'_>>,
) -> Result<Option<StoredAggregate>, Failure> {
    loop {
        let Some(next) = change(&stored) else { return Ok(None) };
        match store(aggregates, &next, deadline).await? {
            None => {
                let pending = next.pending().clone();
                return Ok(Some(stored.revised(pending)));
            }
            Some(found) => stored = found,
        }
    }
}

/// Stores one change. `Some` if the aggregate was changed after it was read. An aggregate that
/// can't be read settles nothing, and the write is tried again.
///
/// # Errors
///
/// [`Failure`] if that is not settled by `deadline`: the change may or may not be stored.
pub(super) async fn store<Aggregates: PendingEventStore>(
    aggregates: &Aggregates,
    change: &AggregateChange<'_>,
    deadline: Deadline,
) -> Result<Option<StoredAggregate>, Failure> {
    let (first, most) = (Duration::from_millis(5), Duration::from_millis(500));
    let pause = Backoff::new(first, most, seed_of(change.key()));
    let write = |within| aggregates.change(change, within);
    let settled = until_settled(deadline, pause, write, |written, _| match written {
        Ok(()) => Some(None),
        Err(Some(found)) => Some(Some(found)),
        Err(None) => None,
    });
    settled.await.map_err(|unsettled| unsettled.failure)
}

/// A seed that makes the waits of different aggregates differ, and those of one aggregate repeat.
fn seed_of(key: AggregateKey) -> u64 {
    match key {
        AggregateKey::Order { order_id, .. } => seed(order_id.as_uuid()),
        AggregateKey::Session { session_id } => seed(session_id.as_uuid()),
        AggregateKey::Mail { mail_id } => seed(mail_id.as_uuid()),
        AggregateKey::Account { user_id } => user_id.get(),
    }
}
