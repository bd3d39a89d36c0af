//! event-consumer: the observer, and one handler with an effect.

use crate::action::{Action, AttemptId};
use crate::protocol::Protocol;
use crate::state::{Order, State, TransactionId};

/// What can be delivered.
pub(crate) fn possible(state: &State, actions: &mut Vec<Action>) {
    for (event, copies) in state.broker.topic.iter().enumerate() {
        if copies.unacknowledged > 0 {
            let fates = [Action::Deliver, Action::CrashBeforeAck, Action::CrashBeforeEffect];
            actions.extend(fates.map(|fate| fate(event)));
        }
    }
}

pub(crate) fn deliver(protocol: &Protocol, state: &mut State, event: AttemptId) {
    observe(state, event);
    handle(protocol, state, event);
    state.broker.topic[event].unacknowledged -= 1;
}

/// The copy comes again.
pub(crate) fn crash_before_ack(protocol: &Protocol, state: &mut State, event: AttemptId) {
    observe(state, event);
    handle(protocol, state, event);
}

/// The copy comes again, and by then nothing but the copy remembers the event.
pub(crate) fn crash_before_effect(state: &mut State, event: AttemptId) {
    observe(state, event);
}

/// Closes the loop: the sweep need not look after the event any more.
fn observe(state: &mut State, event: TransactionId) {
    if let Some(order) = order_of(state, event) {
        order.unobserved = false;
        order.unpublished = false;
    }
}

/// The effect, together with its inbox record, which is conditional on there being none. An event
/// whose order isn't there has no effect.
fn handle(protocol: &Protocol, state: &mut State, event: TransactionId) {
    if let Some(order) = order_of(state, event) {
        if !(order.handled && protocol.variant.inbox) {
            order.effects += 1;
        }
        order.handled = true;
    }
}

fn order_of(state: &mut State, event: TransactionId) -> Option<&mut Order> {
    state.tables.order.as_mut().filter(|order| order.transaction == event)
}
