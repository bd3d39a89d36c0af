//! What must never happen to an order's events, and what must be possible.
//!
//! Liveness is written as an invariant of states at rest: Stateright's `eventually` misses
//! violations where paths join, and here paths join everywhere.

use stateright::Property;

use crate::pending::event::Event;
use crate::pending::protocol::Handling;
use crate::pending::state::{MANY, State, Status};
use crate::pending::variant::OtherGroup;

/// Nothing is published from memory.
pub(crate) const I1_NO_PHANTOM: &str = "I1 only what the history holds is published";
/// At rest, our handlers are done.
pub(crate) const I2_NOTHING_LOST: &str =
    "I2 at rest every event of the history is handled, and none pending";
/// Effects happen at most once.
pub(crate) const I3_EFFECTS_ONCE: &str =
    "I3 stock is reserved and given back, a notification added, an effect elsewhere done once";
/// The sweep's index is complete.
pub(crate) const I7_INDEX_COMPLETE: &str =
    "I7 an order is in the index exactly while an event is pending";
/// The reserved stock agrees with the order.
pub(crate) const I8_STOCK_FITS: &str = "I8 at rest the stock fits the status";
/// Other teams receive each event while the cluster keeps it.
pub(crate) const I9_OTHERS_REACHED: &str =
    "I9 at rest another group has received every event of the history";
/// A letter is the only place where its event is unfinished.
pub(crate) const I10_LETTER_ALONE: &str =
    "I10 a dead letter's event is neither pending nor handled";

/// The longest case is possible.
pub(crate) const S1_HANDLED: &str = "S1 an order is confirmed and cancelled, and all is handled";
/// Otherwise I3 would prove nothing.
pub(crate) const S2_DUPLICATES: &str = "S2 an event is on its way twice";
/// The user may be faster than inventory.
pub(crate) const S7_CANCELLED_FIRST: &str =
    "S7 an order is cancelled before it was decided, and all is handled";
/// An event with a letter can still be handled.
pub(crate) const S8_REDRIVEN: &str = "S8 a letter was redriven, and all is handled";

pub(crate) fn all() -> Vec<Property<Handling>> {
    vec![
        Property::always(I1_NO_PHANTOM, no_phantom),
        Property::always(I2_NOTHING_LOST, nothing_lost),
        Property::always(I3_EFFECTS_ONCE, effects_once),
        Property::always(I7_INDEX_COMPLETE, |_, state: &State| {
            state.order.is_pending() == state.order.indexed
        }),
        Property::always(I8_STOCK_FITS, stock_fits),
        Property::always(I9_OTHERS_REACHED, others_reached),
        Property::always(I10_LETTER_ALONE, letter_alone),
        Property::sometimes(S1_HANDLED, |_, state: &State| {
            let confirmed = state.stock.reserved == 1;
            all_handled(state) && confirmed && state.order.status == Status::Cancelled
        }),
        Property::sometimes(S2_DUPLICATES, |_, state: &State| {
            Event::ALL.into_iter().any(|event| state.topic[event].unacknowledged == MANY)
        }),
        Property::sometimes(S7_CANCELLED_FIRST, |_, state: &State| {
            let undecided = state.order.follow_up.is_none();
            all_handled(state) && undecided && state.order.status == Status::Cancelled
        }),
        Property::sometimes(S8_REDRIVEN, |_, state: &State| {
            state.past.redriven && all_handled(state)
        }),
    ]
}

fn no_phantom(_: &Handling, state: &State) -> bool {
    let mut events = Event::ALL.into_iter();
    !state.past.ghost
        && events.all(|event| !state.topic[event].is_stored || state.order.records(event))
}

fn nothing_lost(protocol: &Handling, state: &State) -> bool {
    all_handled(state) || !protocol.is_at_rest(state)
}

fn effects_once(_: &Handling, state: &State) -> bool {
    let mut events = Event::ALL.into_iter();
    state.stock.reserved <= 1
        && state.stock.given_back <= state.stock.reserved
        && state.effects_elsewhere <= 1
        && events.all(|event| state.order.notifications[event] <= 1)
}

fn stock_fits(protocol: &Handling, state: &State) -> bool {
    let stock = &state.stock;
    let fits = match state.order.status {
        Status::Created | Status::Rejected => stock.reserved == 0,
        Status::Confirmed => stock.reserved == 1 && stock.given_back == 0,
        Status::Cancelled => stock.reserved == stock.given_back,
    };
    fits || !protocol.is_at_rest(state)
}

fn others_reached(protocol: &Handling, state: &State) -> bool {
    let mut events = Event::ALL.into_iter();
    protocol.variant.other_group == OtherGroup::Unwatched
        || events.all(|event| state.reached_others[event] || !state.order.records(event))
        || !protocol.is_at_rest(state)
}

fn letter_alone(_: &Handling, state: &State) -> bool {
    Event::ALL.into_iter().all(|event| {
        let elsewhere = state.order.pending[event].is_some() || is_handled(state, event);
        !(state.letters[event].is_some() && elsewhere)
    })
}

fn all_handled(state: &State) -> bool {
    let mut recorded = Event::ALL.into_iter().filter(|event| state.order.records(*event));
    !state.order.is_pending() && recorded.all(|event| is_handled(state, event))
}

fn is_handled(state: &State, event: Event) -> bool {
    let effect_is_done = match event {
        Event::OrderCreated => state.order.status != Status::Created,
        Event::FollowUp => state.effects_elsewhere > 0,
        Event::OrderCancelled => true,
    };
    effect_is_done && state.order.notifications[event] > 0
}
