//! The broker: what is published, lost or doubled.

use crate::pending::action::Action;
use crate::pending::event::Event;
use crate::pending::protocol::Handling;
use crate::pending::state::{MANY, State};

pub(crate) fn possible(protocol: &Handling, state: &State, actions: &mut Vec<Action>) {
    for event in Event::ALL {
        let copies = &state.topic[event];
        if copies.is_stored {
            if protocol.bounds.broker_loses {
                actions.push(Action::Lose(event));
                if copies.unacknowledged > 0 {
                    actions.push(Action::LoseRedelivery(event));
                }
            }
            if copies.unacknowledged < MANY {
                actions.push(Action::Copy(event));
            }
        }
    }
}

/// A half message and its COMMIT: the event is on its topic.
pub(crate) fn publish(state: &mut State, event: Event) {
    state.topic[event].is_stored = true;
    copy(state, event);
}

/// Copies that consumers have received stay with them, and can be acknowledged.
pub(crate) fn lose(state: &mut State, event: Event) {
    state.topic[event].is_stored = false;
    state.topic[event].unacknowledged = 0;
}

pub(crate) fn lose_redelivery(state: &mut State, event: Event) {
    state.topic[event].unacknowledged -= 1;
}

pub(crate) fn copy(state: &mut State, event: Event) {
    let unacknowledged = &mut state.topic[event].unacknowledged;
    *unacknowledged = MANY.min(*unacknowledged + 1);
}
