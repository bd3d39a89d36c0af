//! What must never happen, and what must be possible.
//!
//! Liveness is told as an invariant of states at rest. Stateright's `eventually` misses violations
//! where paths join, and joins are everywhere here.

use stateright::Property;

use crate::protocol::Protocol;
use crate::state::{
    ATTEMPTS_MAX, Answer, HalfFate, Progress, State, TransactionState, transaction_of,
};

/// A visible event's order exists.
pub(crate) const I1_NO_PHANTOM: &str = "I1 a visible event has its order";
/// At rest, an order's event is visible and observed, and its effect done.
pub(crate) const I2_NOTHING_LOST: &str =
    "I2 at rest an order's event is visible and its effect done";
/// Effects happen once at the most.
pub(crate) const I3_EFFECT_ONCE: &str = "I3 an effect happens once at the most";
/// What a client is told is true, and stays true.
pub(crate) const I4_ANSWERS_TRUE: &str = "I4 what a client is told is true";
/// What was rolled back stays so.
pub(crate) const I5_ROLLBACK_FINAL: &str = "I5 an attempt that was rolled back never commits later";
/// Ends agree with each other and with the record.
pub(crate) const I6_ENDS_AGREE: &str =
    "I6 no COMMIT and ROLLBACK for one transaction, no ROLLBACK for a committed one";

/// The plain case is possible.
pub(crate) const S1_COMMITS: &str = "S1 an order is taken and its event handled";
/// Else I3 would prove nothing.
pub(crate) const S2_DUPLICATES: &str = "S2 an event is on its topic twice";
/// Else I2 would prove little.
pub(crate) const S3_DISCARDS: &str = "S3 a half message is discarded";
/// The client gets its order in the end.
pub(crate) const S4_RETRY_SUCCEEDS: &str = "S4 after an attempt was fenced, another succeeds";

/// All of them.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(I1_NO_PHANTOM, no_phantom),
        Property::always(I2_NOTHING_LOST, nothing_lost),
        Property::always(I3_EFFECT_ONCE, effect_once),
        Property::always(I4_ANSWERS_TRUE, answers_true),
        Property::always(I5_ROLLBACK_FINAL, |_, state: &State| {
            !state.history.committed_after_rollback
        }),
        Property::always(I6_ENDS_AGREE, |_, state: &State| !state.history.ends_conflict),
        Property::sometimes(S1_COMMITS, commits),
        Property::sometimes(S2_DUPLICATES, duplicates),
        Property::sometimes(S3_DISCARDS, discards),
        Property::sometimes(S4_RETRY_SUCCEEDS, retry_succeeds),
    ]
}

fn no_phantom(_: &Protocol, state: &State) -> bool {
    let events = state.broker.topic.iter().enumerate();
    let mut visible = events.filter(|(_, copies)| copies.visible > 0);
    visible.all(|(transaction, _)| state.order_is_of(transaction))
}

fn nothing_lost(protocol: &Protocol, state: &State) -> bool {
    state.tables.order.as_ref().is_none_or(|order| {
        let visible = state.broker.topic[order.transaction].visible > 0;
        (visible && !order.unobserved && order.effects > 0) || !protocol.is_at_rest(state)
    })
}

fn effect_once(_: &Protocol, state: &State) -> bool {
    state.tables.order.as_ref().is_none_or(|order| order.effects <= 1)
}

fn answers_true(protocol: &Protocol, state: &State) -> bool {
    (0..ATTEMPTS_MAX).all(|attempt| {
        let order = state.tables.order.as_ref();
        match state.attempts[attempt].progress {
            Progress::Answered(Answer::Created) => {
                state.order_is_of(transaction_of(&protocol.variant, attempt))
            }
            Progress::Answered(Answer::Replayed) => order.is_some(),
            Progress::Answered(Answer::Unavailable) | Progress::Abandoned => {
                order.is_none_or(|order| order.placed_by != attempt)
            }
            _ => true,
        }
    })
}

fn commits(_: &Protocol, state: &State) -> bool {
    let handled = state.tables.order.as_ref().is_some_and(|order| order.effects == 1);
    handled && (0..ATTEMPTS_MAX).any(|attempt| is_created(state, attempt))
}

fn duplicates(_: &Protocol, state: &State) -> bool {
    state.broker.topic.iter().any(|copies| copies.visible > 1)
}

fn discards(_: &Protocol, state: &State) -> bool {
    state.broker.halves.iter().any(|half| half.fate == HalfFate::Discarded)
}

fn retry_succeeds(protocol: &Protocol, state: &State) -> bool {
    let is_fenced = |attempt| {
        let transaction = transaction_of(&protocol.variant, attempt);
        state.tables.transactions[transaction] == Some(TransactionState::Fenced)
    };
    (0..ATTEMPTS_MAX).any(|attempt| is_created(state, attempt) && (0..attempt).any(is_fenced))
}

fn is_created(state: &State, attempt: usize) -> bool {
    state.attempts[attempt].progress == Progress::Answered(Answer::Created)
}
