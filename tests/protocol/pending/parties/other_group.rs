//! Another team's group on the same topic, which `pending` does not record.

use crate::pending::action::Action;
use crate::pending::event::Event;
use crate::pending::protocol::Handling;
use crate::pending::state::State;
use crate::pending::variant::OtherGroup;

/// The group receives stored messages when it polls.
pub(crate) fn possible(protocol: &Handling, state: &State, actions: &mut Vec<Action>) {
    if protocol.variant.other_group != OtherGroup::Unwatched {
        let events = Event::ALL.into_iter();
        let missing = events.filter(|event| !state.reached_others[*event]);
        let stored = missing.filter(|event| state.topic[*event].is_stored);
        actions.extend(stored.map(Action::ReachOthers));
    }
}

pub(crate) fn reach(state: &mut State, event: Event) {
    state.reached_others[event] = true;
}
