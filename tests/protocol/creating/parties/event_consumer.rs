//! event-consumer, as far as it matters here: it handles the pending event.
//!
//! That is one step here; the model of [pending](crate::pending) events has all its steps.

use crate::creating::action::Action;
use crate::creating::state::{MANY, State};

pub(crate) fn possible(state: &State, actions: &mut Vec<Action>) {
    if state.broker.unacknowledged > 0 {
        actions.push(Action::Deliver);
    }
}

/// The event is handled if it is pending, and acknowledged. Without an order it is foreign.
pub(crate) fn deliver(state: &mut State) {
    let order = state.item.order.as_mut();
    if order.and_then(|order| order.pending.take()).is_some() {
        state.past.handled = MANY.min(state.past.handled + 1);
    }
    state.broker.unacknowledged -= 1;
}
