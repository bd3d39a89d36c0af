//! The `pending` of the order's item, and the rules that every write of it follows.

use crate::pending::event::Event;
use crate::pending::protocol::Handling;
use crate::pending::state::{Entry, MANY, State};
use crate::pending::variant::{KeysLeave, Letter, PendingUntil};

/// Whether the event is pending, as the condition of a write. If a read has already ended the
/// entry, there is no such condition.
pub(crate) fn is_open(protocol: &Handling, state: &State, event: Event) -> bool {
    let received = protocol.variant.pending_until == PendingUntil::Received;
    received || state.order.pending[event].is_some()
}

/// An event enters `pending` with the write that raises it.
pub(crate) fn add(protocol: &Handling, state: &mut State, event: Event, entry: Entry) {
    state.order.pending[event] = Some(entry);
    state.order.indexed |= protocol.variant.additions_set_keys;
}

/// An entry leaves, and with the last entry the index keys. `seems_last`: the writer has read no
/// other entry.
pub(crate) fn remove(protocol: &Handling, state: &mut State, event: Event, seems_last: bool) {
    state.order.pending[event] = None;
    let is_last = match protocol.variant.keys_leave {
        KeysLeave::WithTheLastEntry => !state.order.is_pending(),
        KeysLeave::BySnapshot => seems_last,
    };
    state.order.indexed &= !is_last;
}

/// The event's notification, keyed by the event.
pub(crate) fn notify(protocol: &Handling, state: &mut State, event: Event) {
    let notifications = &mut state.order.notifications[event];
    let added = MANY.min(*notifications + 1);
    *notifications = if protocol.variant.notification_guard { 1 } else { added };
}

/// A dead letter and the end of its entry, in one transaction.
pub(crate) fn give_up(protocol: &Handling, state: &mut State, event: Event, seems_last: bool) {
    let entry = state.order.pending[event];
    let letter = match protocol.variant.letter {
        Letter::EndsPending | Letter::LeavesPending => entry,
        Letter::EndsPendingUnconditionally => Some(entry.unwrap_or_default()),
    };
    if let Some(letter) = letter {
        let keeps_marks = protocol.variant.letter_keeps_marks;
        state.letters[event] = Some(if keeps_marks { letter } else { Entry::default() });
        if protocol.variant.letter != Letter::LeavesPending {
            remove(protocol, state, event, seems_last);
        }
    }
}
