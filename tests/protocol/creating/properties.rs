//! What must never happen while an order is created, and what must be possible.
//!
//! Liveness is written as an invariant of states at rest: Stateright's `eventually` misses
//! violations where paths join, and here paths join everywhere.

use stateright::Property;

use crate::creating::protocol::Creating;
use crate::creating::state::{ATTEMPTS_MAX, Answer, HalfFate, Progress, State, transaction_of};

/// A visible event has an order.
pub(crate) const I1_NO_PHANTOM: &str = "I1 a visible event has its order";
/// At rest, an order's event is visible and handled.
pub(crate) const I2_NOTHING_LOST: &str = "I2 at rest an order's event is visible and handled";
/// Events are handled at most once.
pub(crate) const I3_EFFECT_ONCE: &str = "I3 an event is handled at most once";
/// An answer to a client is true, and stays true.
pub(crate) const I4_ANSWERS_TRUE: &str = "I4 an answer to a client is true";
/// A rolled-back attempt stays rolled back.
pub(crate) const I5_ROLLBACK_FINAL: &str = "I5 an attempt that was rolled back never lands later";
/// Ends agree with each other and with the item. A ROLLBACK of a message that is already on the
/// topic has no effect.
pub(crate) const I6_ENDS_AGREE: &str = "I6 until a message is on the topic, no COMMIT and \
     ROLLBACK for its attempt, and no ROLLBACK for the order's";

/// The normal case is possible.
pub(crate) const S1_HANDLED: &str = "S1 an order is created and its event handled";
/// Otherwise I3 would prove nothing.
pub(crate) const S2_DUPLICATES: &str = "S2 an event is on its topic twice";
/// Otherwise I2 would prove little.
pub(crate) const S3_DISCARDS: &str = "S3 a half message is discarded";
/// The client gets its order in the end.
pub(crate) const S4_RETRY_SUCCEEDS: &str = "S4 after an attempt was fenced, another succeeds";
/// No order is refused because the broker is away.
pub(crate) const S5_WITHOUT_BROKER: &str =
    "S5 an order is created without the broker and its event handled";
/// Otherwise I4 would not be tested while attempts live.
pub(crate) const S6_LIVE_REPLAY: &str = "S6 a replay is answered while the order's attempt lives";

pub(crate) fn all() -> Vec<Property<Creating>> {
    vec![
        Property::always(I1_NO_PHANTOM, no_phantom),
        Property::always(I2_NOTHING_LOST, nothing_lost),
        Property::always(I3_EFFECT_ONCE, |_, state: &State| state.past.handled <= 1),
        Property::always(I4_ANSWERS_TRUE, answers_true),
        Property::always(I5_ROLLBACK_FINAL, |_, state: &State| !state.past.landed_after_rollback),
        Property::always(I6_ENDS_AGREE, |_, state: &State| !state.past.ends_conflict),
        Property::sometimes(S1_HANDLED, |_, state: &State| is_any(state, is_handled)),
        Property::sometimes(S2_DUPLICATES, duplicates),
        Property::sometimes(S3_DISCARDS, discards),
        Property::sometimes(S4_RETRY_SUCCEEDS, retry_succeeds),
        Property::sometimes(S5_WITHOUT_BROKER, |_, state: &State| is_any(state, is_without_broker)),
        Property::sometimes(S6_LIVE_REPLAY, |_, state: &State| is_any(state, is_live_replay)),
    ]
}

fn no_phantom(_: &Creating, state: &State) -> bool {
    let events = state.broker.visible.iter().enumerate();
    let mut visible = events.filter(|(_, copies)| **copies > 0);
    visible.all(|(transaction, _)| state.order_is_of(transaction))
}

fn nothing_lost(protocol: &Creating, state: &State) -> bool {
    state.item.order.as_ref().is_none_or(|order| {
        let visible = state.broker.visible[order.transaction] > 0;
        let handled = order.pending.is_none() && state.past.handled > 0;
        (visible && handled) || !protocol.is_at_rest(state)
    })
}

fn answers_true(protocol: &Creating, state: &State) -> bool {
    let order = state.item.order.as_ref();
    let is_true = |attempt: usize| match state.attempts[attempt].progress {
        Progress::Answered(Answer::Created) => {
            state.order_is_of(transaction_of(&protocol.variant, attempt))
        }
        Progress::Answered(Answer::Replayed) => order.is_some(),
        Progress::Answered(Answer::Refused | Answer::Unavailable | Answer::Fenced)
        | Progress::Abandoned => order.is_none_or(|order| order.created_by != attempt),
        _ => true,
    };
    !state.past.refused_despite_order && (0..ATTEMPTS_MAX).all(is_true)
}

fn duplicates(_: &Creating, state: &State) -> bool {
    state.broker.visible.iter().any(|copies| *copies > 1)
}

fn discards(_: &Creating, state: &State) -> bool {
    state.broker.halves.iter().any(|half| half.fate == HalfFate::Discarded)
}

fn retry_succeeds(_: &Creating, state: &State) -> bool {
    let is_fenced =
        |attempt: usize| state.attempts[attempt].progress == Progress::Answered(Answer::Fenced);
    is_any(state, |state, attempt| is_created(state, attempt) && (0..attempt).any(is_fenced))
}

fn is_any(state: &State, is: impl Fn(&State, usize) -> bool) -> bool {
    (0..ATTEMPTS_MAX).any(|attempt| is(state, attempt))
}

fn is_created(state: &State, attempt: usize) -> bool {
    state.attempts[attempt].progress == Progress::Answered(Answer::Created)
}

fn is_handled(state: &State, attempt: usize) -> bool {
    state.past.handled == 1 && is_created(state, attempt)
}

fn is_without_broker(state: &State, attempt: usize) -> bool {
    is_handled(state, attempt) && state.broker.halves[attempt].fate == HalfFate::Absent
}

fn is_live_replay(state: &State, attempt: usize) -> bool {
    let order = state.item.order.as_ref().filter(|order| order.created_by != attempt);
    let creator = order.map(|order| state.attempts[order.created_by].progress);
    let lives =
        matches!(creator, Some(Progress::Putting(_) | Progress::InDoubt(_) | Progress::Settled(_)));
    lives && state.attempts[attempt].progress == Progress::Answered(Answer::Replayed)
}
