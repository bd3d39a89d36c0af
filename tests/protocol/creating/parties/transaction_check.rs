//! transaction-check, as far as it answers check-backs.
//!
//! Several checkers may be asked about one attempt at once. Each reads the item consistently. If
//! the item decides the attempt, that is final, and the checker answers. Otherwise the checker
//! writes the fence, which is a separate step: the second read finds a put that arrives in between.
//!
//! The query for the message on the topic is not a separate step: a COMMIT that arrives between
//! query and answer could as well arrive after the answer.

use crate::creating::action::{Action, AttemptId};
use crate::creating::parties::{broker, orders_table};
use crate::creating::protocol::Creating;
use crate::creating::state::{Resolution, State, TransactionId, transaction_of};
use crate::creating::variant::{EventRaised, NothingFound};

/// Checkers between their read and their fence.
const CHECKERS_MAX: u8 = 2;

/// Steps of the checkers that found nothing.
pub(crate) fn possible(protocol: &Creating, state: &State, actions: &mut Vec<Action>) {
    for attempt in 0..protocol.bounds.attempts {
        if state.broker.halves[attempt].fencing > 0 {
            let fates = [Action::Fence, Action::CrashBeforeFence, Action::CrashAfterFence];
            actions.extend(fates.map(|fate| fate(attempt)));
        }
    }
}

/// Whether a checker can be asked about an attempt.
pub(crate) const fn is_free(state: &State, attempt: AttemptId) -> bool {
    state.broker.halves[attempt].fencing < CHECKERS_MAX
}

/// The checker answers if the item decides the attempt.
pub(crate) fn read(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    let transaction = transaction_of(&protocol.variant, attempt);
    match (finding(protocol, state, transaction), protocol.variant.nothing_found) {
        (Some(resolution), _) => broker::send_end(protocol, state, attempt, resolution),
        (None, NothingFound::Fence | NothingFound::FenceAndRollback) => {
            state.broker.halves[attempt].fencing += 1;
        }
        (None, NothingFound::Rollback) => {
            broker::send_end(protocol, state, attempt, Resolution::Rollback);
        }
        (None, NothingFound::Unknown) => {}
    }
}

/// The fence, the second read and the answer. The last two need no separate step: after the fence
/// the attempt is decided for good.
pub(crate) fn fence(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    crash_after_fence(protocol, state, attempt);
    let transaction = transaction_of(&protocol.variant, attempt);
    let resolution = match protocol.variant.nothing_found {
        NothingFound::FenceAndRollback => Some(Resolution::Rollback),
        _ => finding(protocol, state, transaction),
    };
    if let Some(resolution) = resolution {
        broker::send_end(protocol, state, attempt, resolution);
    }
}

pub(crate) const fn crash_before_fence(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].fencing -= 1;
}

pub(crate) fn crash_after_fence(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].fencing -= 1;
    orders_table::fence(protocol, state, transaction_of(&protocol.variant, attempt));
}

/// The item's verdict on an attempt. The attribute `attempt` is checked before `fenced`.
fn finding(protocol: &Creating, state: &State, transaction: TransactionId) -> Option<Resolution> {
    match &state.item.order {
        Some(order) if order.transaction == transaction => {
            Some(of_raised(protocol, state, transaction))
        }
        // An order never leaves its key, so this attempt can no longer create it.
        Some(_) => Some(Resolution::Rollback),
        None if state.item.fenced[transaction] => Some(Resolution::Rollback),
        None => None,
    }
}

/// The answer for a half message whose event was raised.
pub(crate) fn of_raised(
    protocol: &Creating,
    state: &State,
    transaction: TransactionId,
) -> Resolution {
    let is_on_topic = state.broker.visible[transaction] > 0;
    match protocol.variant.event_raised {
        EventRaised::LookForMessage if is_on_topic => Resolution::Rollback,
        EventRaised::LookForMessage | EventRaised::Commit => Resolution::Commit,
        EventRaised::Rollback => Resolution::Rollback,
    }
}
