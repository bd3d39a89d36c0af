//! What became of the creating write.

use std::time::Duration;

use domain::identity::TransactionId;
use domain::order::{AtKey, NewOrder, StoredOrder};
use domain::timestamp::Timestamp;

use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::Clock;
use crate::ports::creating::OrderCreation;
use crate::retry::{Unsettled, until_settled};

/// What became of the creating write. Only this module makes one, and only from what was found.
#[derive(Debug)]
pub(super) enum Settlement {
    /// This attempt created the order.
    Committed,
    /// This attempt has not created it and never will.
    Refused(Refusal),
    /// Nobody knows. Neither a commit nor a rollback may be sent.
    Unknown(Failure),
}

/// Why an attempt will never create its order.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Another attempt has created an order under the same key.
    Created(Box<StoredOrder>),
    /// A check-back fenced the attempt.
    Fenced,
    /// Every try was refused before it began, to the end of the deadline or for good.
    NotStored(Failure),
}

/// Tries to store a new order until its fate is known or the deadline has passed.
///
/// The deadline is judged by both clocks: a frozen process may find that its monotonic clock stood
/// still meanwhile.
pub(super) async fn settle(
    orders: &impl OrderCreation,
    clock: &impl Clock,
    new: &NewOrder,
    deadline: Deadline,
    deadline_at: Timestamp,
) -> Settlement {
    let own = new.attempt();
    let pause =
        Backoff::new(Duration::from_millis(10), Duration::from_millis(400), seed(own.as_uuid()));
    let create = |within| async move {
        if deadline.has_passed() || clock.now() >= deadline_at {
            let over = "no time was left for a try";
            return WriteTry::Refused(Failure::new(FailureClass::Permanent, over));
        }
        orders.create(new, within).await
    };
    let settled = until_settled(deadline, pause, create, |written, _| match written {
        Ok(()) => Some(Settlement::Committed),
        Err(found) => judge(found, own),
    });
    match settled.await {
        Ok(settlement) => settlement,
        // Once the fate of one try is unknown, no refusal of a later one settles it: the first may
        // still land.
        Err(Unsettled { failure, in_doubt: true }) => Settlement::Unknown(failure),
        Err(Unsettled { failure, in_doubt: false }) => {
            Settlement::Refused(Refusal::NotStored(failure))
        }
    }
}

/// What is found at the key decides. `None`: it decides nothing, and the write is tried again.
fn judge(found: AtKey, own: TransactionId) -> Option<Settlement> {
    match found {
        // An earlier try of this very attempt landed, and its answer was lost. To call that refused
        // would send a rollback for a stored order.
        AtKey::Created { attempt, .. } if attempt == own => Some(Settlement::Committed),
        AtKey::Created { stored: Some(stored), .. } => {
            Some(Settlement::Refused(Refusal::Created(stored)))
        }
        AtKey::Tombstone(tombstone) if tombstone.holds(own) => {
            Some(Settlement::Refused(Refusal::Fenced))
        }
        // An order that can't be read is nobody's until it can: newer code stored it.
        AtKey::Created { stored: None, .. } | AtKey::Tombstone(_) | AtKey::Absent => None,
    }
}
