//! The sweep: publishes what no consumer has seen and what is on no topic.

use crate::action::Action;
use crate::parties::broker;
use crate::protocol::Protocol;
use crate::state::State;

/// What the sweep can do. An event is due at any time, also early, while its commit is on its way.
///
/// Asking the broker and sending are one step: what happens between the two might as well happen
/// after both.
pub(crate) fn possible(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if let Some(order) = state.tables.order.as_ref().filter(|order| order.unobserved) {
        let on_topic = state.broker.topic[order.transaction].visible > 0;
        if protocol.variant.sweep && (order.unpublished || !on_topic) {
            actions.push(Action::SweepSends);
            if !state.sweep_half_open {
                actions.push(Action::SweepCommitLost);
            }
        }
    }
    if state.sweep_half_open {
        actions.extend([Action::SweepCheck, Action::SweepDiscard]);
    }
}

/// The broker has acknowledged the commit, so nothing has to be sent without asking any more.
pub(crate) fn sends(state: &mut State) {
    show(state);
    if let Some(order) = &mut state.tables.order {
        order.unpublished = false;
    }
}

/// What is left is a half message of a committed attempt.
pub(crate) const fn commit_lost(state: &mut State) {
    state.sweep_half_open = true;
}

/// There is no other answer for a committed attempt.
pub(crate) fn check(state: &mut State) {
    state.sweep_half_open = false;
    show(state);
}

pub(crate) const fn discard(state: &mut State) {
    state.sweep_half_open = false;
}

fn show(state: &mut State) {
    let order = state.tables.order.as_ref().expect("the sweep sends what is stored");
    broker::show(state, order.transaction);
}
