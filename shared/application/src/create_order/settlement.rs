//! What became of the local transaction.

use std::time::Duration;

use domain::identity::TransactionId;
use domain::timestamp::Timestamp;

use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::{
    Clock, IdempotencyRecord, OrderRepository, Placement, PlacementCancelled, TransactionState,
};
use crate::retry::TRY;

/// What became of the local transaction. Only this module makes one, and only from what was found.
#[derive(Debug)]
pub(super) enum Settlement {
    /// It is stored.
    Committed,
    /// It is not stored and never will be.
    Refused(Refusal),
    /// Nobody knows. Neither a commit nor a rollback may be sent.
    Unknown(Failure),
}

/// Why a local transaction will never be stored.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The key has a live record of another attempt.
    Remembered(IdempotencyRecord),
    /// A check-back fenced the attempt.
    Fenced,
    /// Every try was refused before it began, to the end of the deadline or for good.
    NotStored(Failure),
}

/// Tries to store a placement until its fate is known or the deadline has passed.
///
/// The deadline is judged by both clocks: a frozen process may find that its monotonic clock stood
/// still meanwhile.
pub(super) async fn settle<R: OrderRepository, K: Clock>(
    orders: &R,
    clock: &K,
    placement: &Placement<'_>,
    deadline: Deadline,
    deadline_at: Timestamp,
) -> Settlement {
    let own = placement.event.transaction_id;
    let mut pause =
        Backoff::new(Duration::from_millis(10), Duration::from_millis(400), seed(own.as_uuid()));
    // Once a try's fate is unknown, no refusal of a later one settles it: the first may still land.
    let mut doubt: Option<Failure> = None;
    let mut last = Failure::new(FailureClass::Unavailable, "no time was left for a try");
    loop {
        if deadline.has_passed() || clock.now() >= deadline_at {
            return unsettled(doubt, last);
        }
        let within = Deadline::after(TRY).or_earlier(deadline);
        last = match orders.place(placement, within).await {
            WriteTry::Done => return Settlement::Committed,
            WriteTry::Cancelled(cancelled) => match judge(&cancelled, own) {
                Some(settlement) => return settlement,
                None => Failure::new(FailureClass::Conflict, format!("cancelled: {cancelled:?}")),
            },
            WriteTry::Refused(failure) if failure.class == FailureClass::Permanent => {
                return unsettled(doubt, failure);
            }
            WriteTry::Refused(failure) => failure,
            WriteTry::Unknown(failure) => {
                let told = Failure::new(failure.class, failure.to_string());
                doubt = Some(failure);
                told
            }
        };
        tracing::debug!(error = &last as &dyn std::error::Error, "tries the transaction again");
        pause.wait(deadline).await;
    }
}

fn unsettled(doubt: Option<Failure>, last: Failure) -> Settlement {
    match doubt {
        Some(doubt) => Settlement::Unknown(doubt),
        None => Settlement::Refused(Refusal::NotStored(last)),
    }
}

/// What a cancelled transaction tells, in the order in which it may be asked. `None`: nothing, try
/// again.
fn judge(cancelled: &PlacementCancelled, own: TransactionId) -> Option<Settlement> {
    let remembered = cancelled.idempotency.found();
    let transaction = cancelled.transaction.found().copied();
    // An earlier try of this very attempt landed, and its answer was lost. To call that refused
    // would send a rollback for a stored order.
    if transaction == Some(TransactionState::Committed)
        || remembered.is_some_and(|record| record.transaction_id == own)
    {
        return Some(Settlement::Committed);
    }
    if let Some(record) = remembered {
        return Some(Settlement::Refused(Refusal::Remembered(record.clone())));
    }
    if transaction == Some(TransactionState::Fenced) {
        return Some(Settlement::Refused(Refusal::Fenced));
    }
    None
}
