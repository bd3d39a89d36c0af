//! An operator: redrives dead letters, and replays events that another group has missed.

use crate::pending::action::Action;
use crate::pending::event::Event;
use crate::pending::parties::{broker, order_item};
use crate::pending::protocol::Handling;
use crate::pending::state::State;
use crate::pending::variant::OtherGroup;

/// Each letter is redriven in the end: none expires. Events that the broker has lost are replayed.
pub(crate) fn possible(protocol: &Handling, state: &State, actions: &mut Vec<Action>) {
    for event in Event::ALL {
        if state.letters[event].is_some() {
            actions.extend([Action::Redrive(event), Action::RedriveUnpublished(event)]);
        }
        let is_missed = state.order.records(event)
            && !state.reached_others[event]
            && !state.topic[event].is_stored;
        if protocol.variant.other_group == OtherGroup::Replayed && is_missed {
            actions.push(Action::Replay(event));
        }
    }
}

pub(crate) fn redrive(protocol: &Handling, state: &mut State, event: Event) {
    redrive_unpublished(protocol, state, event);
    broker::publish(state, event);
}

/// One transaction removes the letter and returns the entry under a new publication. A query for
/// that publication doesn't find copies of earlier ones.
pub(crate) fn redrive_unpublished(protocol: &Handling, state: &mut State, event: Event) {
    if let Some(entry) = state.letters[event].take() {
        order_item::add(protocol, state, event, entry);
    }
    state.topic[event].is_stored = false;
    state.past.redriven = true;
}

/// Our own group receives a copy too, and finds the event handled.
pub(crate) fn replay(state: &mut State, event: Event) {
    broker::publish(state, event);
}
