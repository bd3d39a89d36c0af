//! The user, through cancel-order.

use crate::pending::action::Action;
use crate::pending::event::Event;
use crate::pending::parties::order_item;
use crate::pending::protocol::Handling;
use crate::pending::state::{Entry, MANY, Order, State, Status};
use crate::pending::variant::CancelWrites;

/// A created or confirmed order can be cancelled.
pub(crate) fn possible(protocol: &Handling, state: &State, actions: &mut Vec<Action>) {
    if is_open(&state.order) {
        match (protocol.variant.cancel_writes, &state.read_to_cancel) {
            (CancelWrites::WholeItem, None) => actions.push(Action::ReadToCancel),
            (CancelWrites::WholeItem, Some(read)) if read.status != state.order.status => {}
            _ => actions.push(Action::Cancel),
        }
    }
}

pub(crate) fn read(state: &mut State) {
    state.read_to_cancel = Some(state.order.clone());
}

/// Status, stock, history and the event's entry: all or none. A user whose answer is lost cancels
/// again, and finds the order cancelled.
pub(crate) fn cancel(protocol: &Handling, state: &mut State) {
    if state.order.status == Status::Confirmed {
        state.stock.given_back = MANY.min(state.stock.given_back + 1);
    }
    if let Some(read) = state.read_to_cancel.take() {
        state.order = read;
    }
    state.order.status = Status::Cancelled;
    state.order.cancelled = true;
    order_item::add(protocol, state, Event::OrderCancelled, Entry::default());
}

const fn is_open(order: &Order) -> bool {
    matches!(order.status, Status::Created | Status::Confirmed)
}
