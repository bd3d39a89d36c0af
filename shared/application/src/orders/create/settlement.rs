//! The outcome of the creating write.

use std::time::Duration;

use domain::identity::TransactionId;
use domain::order::{AtKey, NewOrder, StoredOrder};
use domain::timestamp::Timestamp;

use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::{Clock, OrderCreation};
use crate::retry::{Unsettled, until_settled};

/// The outcome of the creating write. Only this module makes one, and only from what was found.
#[derive(Debug)]
pub(super) enum Settlement {
    /// This attempt created the order.
    Committed,
    /// This attempt has not created the order and never will.
    Refused(Refusal),
    /// The order may be stored. Neither a commit nor a rollback may be sent.
    Unknown(Failure),
}

#[derive(Debug)]
pub(super) enum Refusal {
    /// Another attempt has created an order under the same key.
    Created(Box<StoredOrder>),
    /// A check-back fenced the attempt.
    Fenced,
    /// Every try was refused before it began, until the deadline or for good.
    NotStored(Failure),
}

/// Tries to store a new order until the outcome is known or the deadline has passed.
///
/// The deadline is checked by both clocks, because the monotonic clock of a frozen process may
/// stand still.
pub(super) async fn settle(
    orders: &impl OrderCreation,
    clock: &impl Clock,
    new: &NewOrder,
    deadline: Deadline,
    deadline_at: Timestamp,
) -> Settlement {
    let attempt = new.attempt();
    let (first, most) = (Duration::from_millis(10), Duration::from_millis(400));
    let pause = Backoff::new(first, most, seed(attempt.as_uuid()));
    let create = |within| async move {
        if deadline.has_passed() || clock.now() >= deadline_at {
            let over = "no time was left for a try";
            return WriteTry::NotBegun(Failure::new(FailureClass::Permanent, over));
        }
        orders.create(new, within).await
    };
    let settled = until_settled(deadline, pause, create, |written, _| match written {
        Ok(()) => Some(Settlement::Committed),
        Err(found) => judge(found, attempt),
    });
    match settled.await {
        Ok(settlement) => settlement,
        // Once the outcome of one try is unknown, no refusal of a later one settles it: the first
        // may still be stored.
        Err(Unsettled { failure, in_doubt: true }) => Settlement::Unknown(failure),
        Err(Unsettled { failure, in_doubt: false }) => {
            Settlement::Refused(Refusal::NotStored(failure))
        }
    }
}

/// The outcome by what is found at the key. `None` if that settles nothing, so that the write is
/// tried again.
fn judge(found: AtKey, this_attempt: TransactionId) -> Option<Settlement> {
    match found {
        // An earlier try of this attempt was stored, and its answer was lost. To call that refused
        // would send a rollback for a stored order.
        AtKey::Created { attempt, .. } if attempt == this_attempt => Some(Settlement::Committed),
        AtKey::Created { stored: Some(stored), .. } => {
            Some(Settlement::Refused(Refusal::Created(stored)))
        }
        AtKey::Tombstone(tombstone) if tombstone.holds(this_attempt) => {
            Some(Settlement::Refused(Refusal::Fenced))
        }
        // Newer code stored an order that this code can't read, so it settles nothing here.
        AtKey::Created { stored: None, .. } | AtKey::Tombstone(_) | AtKey::Absent => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_fence_refuses_its_own_attempt_and_settles_nothing_of_another() {
        let [this, other] = [1, 2].map(|number| TransactionId::new(Uuid::from_u128(number)));
        let fenced = || AtKey::Tombstone([other].into_iter().collect());
        assert!(judge(fenced(), this).is_none());
        let judged = judge(fenced(), other);
        assert!(matches!(judged, Some(Settlement::Refused(Refusal::Fenced))), "{judged:?}");
    }
}
