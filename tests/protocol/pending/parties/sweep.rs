//! The sweep publishes pending events that no consumer will receive. It sees only its index.

use crate::pending::action::Action;
use crate::pending::event::Event;
use crate::pending::parties::broker;
use crate::pending::protocol::Handling;
use crate::pending::state::State;

/// Steps of the sweep. There is no time here: an event is due as soon as it becomes due.
pub(crate) fn possible(protocol: &Handling, state: &State, actions: &mut Vec<Action>) {
    if !protocol.variant.sweep || !state.order.indexed {
        return;
    }
    for event in Event::ALL {
        if state.order.pending[event].is_some() {
            if is_stranded(state, event) {
                actions.push(Action::Sweep(event));
            } else if state.early_sweeps_left > 0 {
                actions.push(Action::SweepEarly(event));
            }
        }
    }
}

pub(crate) fn send(state: &mut State, event: Event) {
    broker::publish(state, event);
}

pub(crate) fn send_early(state: &mut State, event: Event) {
    state.early_sweeps_left -= 1;
    broker::publish(state, event);
}

/// The event is not on its topic, or no delivery holds it although our group's position has passed
/// it.
fn is_stranded(state: &State, event: Event) -> bool {
    let copies = &state.topic[event];
    let is_held = state.consumers.iter().any(|consumer| consumer.holds() == Some(event));
    !copies.is_stored || (copies.unacknowledged == 0 && !is_held)
}
