//! The sweep: publishes a pending event that is not on its topic.

use crate::creating::action::Action;
use crate::creating::parties::{broker, transaction_check};
use crate::creating::protocol::Creating;
use crate::creating::state::{Resolution, State};

/// Steps of the sweep. An event is due at any time, even while its COMMIT is on its way.
///
/// Asking the broker and sending are one step: an event between the two could as well happen after
/// both.
pub(crate) fn possible(protocol: &Creating, state: &State, actions: &mut Vec<Action>) {
    let order = state.item.order.as_ref().filter(|_| protocol.variant.sweep);
    if let Some((order, entry)) = order.and_then(|order| Some((order, order.pending.as_ref()?))) {
        let is_on_topic = state.broker.visible[order.transaction] > 0;
        if entry.never_sent || !is_on_topic {
            actions.push(Action::Sweep);
            if !state.broker.sweep_half {
                actions.push(Action::LoseSweepCommit);
            }
            if entry.never_sent {
                actions.push(Action::ClaimInVain);
            }
        }
    }
    if state.broker.sweep_half {
        actions.extend([Action::CheckSweepHalf, Action::DiscardSweepHalf]);
    }
}

pub(crate) fn send(state: &mut State) {
    claim(state);
    show(state);
}

/// A claim stores that the event may be sent: from then on the broker is asked about the event
/// before it is sent again. If the sweep dies now, it has sent nothing.
pub(crate) fn claim(state: &mut State) {
    if let Some(entry) = state.item.order.as_mut().and_then(|order| order.pending.as_mut()) {
        entry.never_sent = false;
    }
}

/// A half message remains, which says that its event is recorded.
pub(crate) fn lose_commit(state: &mut State) {
    claim(state);
    state.broker.sweep_half = true;
}

/// The history contains the event, so it is published unless it is already on the topic.
pub(crate) fn check_half(protocol: &Creating, state: &mut State) {
    state.broker.sweep_half = false;
    let order = state.item.order.as_ref().expect("the sweep sends what is stored");
    let answer = transaction_check::of_raised(protocol, state, order.transaction);
    if answer == Resolution::Commit {
        show(state);
    }
}

pub(crate) const fn discard_half(state: &mut State) {
    state.broker.sweep_half = false;
}

fn show(state: &mut State) {
    let order = state.item.order.as_ref().expect("the sweep sends what is stored");
    broker::show(state, order.transaction);
}
