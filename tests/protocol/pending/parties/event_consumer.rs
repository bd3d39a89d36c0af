//! event-consumer: a delivery from its read to its acknowledgement.

use crate::pending::action::{Action, ConsumerId};
use crate::pending::event::Event;
use crate::pending::parties::{inventory, order_item};
use crate::pending::protocol::Handling;
use crate::pending::state::{Consumer, FollowUp, MANY, State, Status, Writer};
use crate::pending::variant::{KeysLeave, PendingUntil, Refusal};

pub(crate) fn possible(protocol: &Handling, state: &State, actions: &mut Vec<Action>) {
    for (consumer, at) in state.consumers.iter().enumerate().take(protocol.bounds.consumers) {
        match *at {
            Consumer::Idle => {
                let events = Event::ALL.into_iter();
                let delivered = events.filter(|event| state.topic[*event].unacknowledged > 0);
                actions.extend(delivered.map(|event| Action::Deliver(consumer, event)));
                continue;
            }
            Consumer::Handling { event: Event::OrderCreated, .. } => {
                inventory::possible(consumer, actions);
                actions.push(Action::GiveUp(consumer));
            }
            Consumer::InDoubt { .. } => inventory::possible(consumer, actions),
            Consumer::Decided { .. } => {
                let fates = [Action::PublishFollowUp, Action::LoseFollowUp];
                actions.extend(fates.map(|fate| fate(consumer)));
            }
            Consumer::Handling { .. } => {
                let fates = [Action::ActElsewhere, Action::LoseElsewhereAnswer, Action::GiveUp];
                actions.extend(fates.map(|fate| fate(consumer)));
            }
            Consumer::Finishing { .. } => {
                let fates = [Action::Finish, Action::LoseFinishAnswer, Action::GiveUp];
                actions.extend(fates.map(|fate| fate(consumer)));
            }
            Consumer::Finished(_) => actions.push(Action::Acknowledge(consumer)),
        }
        actions.push(Action::Crash(consumer));
    }
}

/// The read decides: if the event is pending, the handlers run; if only the history contains it, it
/// is acknowledged. An event that no history contains is never published, so none is foreign here.
pub(crate) fn deliver(protocol: &Handling, state: &mut State, consumer: ConsumerId, event: Event) {
    let is_pending = state.order.pending[event].is_some();
    // A value that only one variant uses must not distinguish states of the others.
    let seems_last = protocol.variant.keys_leave == KeysLeave::BySnapshot
        && !state.order.is_pending_beside(event);
    state.consumers[consumer] = if is_pending || !protocol.variant.reads_first {
        starts_with(event, seems_last)
    } else {
        Consumer::Finished(event)
    };
    if is_pending && protocol.variant.pending_until == PendingUntil::Received {
        order_item::remove(protocol, state, event, seems_last);
    }
}

/// `OrderCancelled` has no handler except the notification, which is part of the finishing write.
const fn starts_with(event: Event, seems_last: bool) -> Consumer {
    match event {
        Event::OrderCreated | Event::FollowUp => Consumer::Handling { event, seems_last },
        Event::OrderCancelled => Consumer::Finishing { event, seems_last },
    }
}

/// The effect elsewhere and its mark, in one transaction, on condition that the event is pending
/// and not marked. The consumer learns from a refusal which condition failed: if the mark exists,
/// the handler is done; if the entry is gone, there is nothing to finish. Otherwise an entry that
/// is given up and redriven meanwhile would be finished without the effect.
pub(crate) fn act_elsewhere(protocol: &Handling, state: &mut State, consumer: ConsumerId) {
    let Consumer::Handling { event, seems_last } = state.consumers[consumer] else {
        panic!("consumer {consumer} acts out of turn");
    };
    let variant = &protocol.variant;
    let looks = variant.elsewhere_marked && variant.refusal == Refusal::Judged;
    let goes_on = !looks || order_item::is_open(protocol, state, event);
    lose_elsewhere_answer(protocol, state);
    if goes_on {
        state.consumers[consumer] = Consumer::Finishing { event, seems_last };
    } else {
        finished(state, consumer);
    }
}

pub(crate) fn lose_elsewhere_answer(protocol: &Handling, state: &mut State) {
    let variant = &protocol.variant;
    let entry = state.order.pending[Event::FollowUp].as_mut();
    let applies = match &entry {
        _ if !variant.elsewhere_marked => true,
        Some(entry) => !entry.elsewhere_done,
        // If a read ends the entry, the effect needs another guard.
        None => variant.pending_until == PendingUntil::Received && state.effects_elsewhere == 0,
    };
    if applies {
        state.effects_elsewhere = MANY.min(state.effects_elsewhere + 1);
    }
    if let Some(entry) = entry {
        entry.elsewhere_done = variant.elsewhere_marked;
    }
}

/// The finishing write, on condition that the event is pending. If it isn't, another consumer has
/// finished it or gave it up.
pub(crate) fn finish(protocol: &Handling, state: &mut State, consumer: ConsumerId) {
    lose_finish_answer(protocol, state, consumer);
    finished(state, consumer);
}

pub(crate) fn lose_finish_answer(protocol: &Handling, state: &mut State, consumer: ConsumerId) {
    let Consumer::Finishing { event, seems_last } = state.consumers[consumer] else {
        panic!("consumer {consumer} finishes out of turn");
    };
    let is_done = protocol.variant.refusal != Refusal::FoundByFinish || is_done(state, event);
    let is_open = is_done && order_item::is_open(protocol, state, event);
    if is_open || !protocol.variant.notification_guard {
        order_item::notify(protocol, state, event);
    }
    if is_open {
        order_item::remove(protocol, state, event, seems_last);
    }
}

/// Whether the order shows that every handler except the notification is done.
fn is_done(state: &State, event: Event) -> bool {
    match event {
        Event::OrderCreated => state.order.status != Status::Created,
        Event::FollowUp => state.order.pending[event].is_some_and(|entry| entry.elsewhere_done),
        Event::OrderCancelled => true,
    }
}

pub(crate) fn give_up(protocol: &Handling, state: &mut State, consumer: ConsumerId) {
    if let Consumer::Handling { event, seems_last } | Consumer::Finishing { event, seems_last } =
        state.consumers[consumer]
    {
        order_item::give_up(protocol, state, event, seems_last);
    }
    finished(state, consumer);
}

/// Copies are counted, not distinguished: if two consumers hold one copy, their acknowledgements
/// may remove two copies. That is a loss like any other.
pub(crate) fn acknowledge(state: &mut State, consumer: ConsumerId) {
    if let Consumer::Finished(event) = state.consumers[consumer] {
        let copies = &mut state.topic[event];
        copies.unacknowledged = copies.unacknowledged.saturating_sub(1);
    }
    state.consumers[consumer] = Consumer::Idle;
}

pub(crate) fn crash(state: &mut State, consumer: ConsumerId) {
    state.consumers[consumer] = Consumer::Idle;
    forget(state, consumer);
}

pub(crate) fn finished(state: &mut State, consumer: ConsumerId) {
    if let Some(event) = state.consumers[consumer].holds() {
        state.consumers[consumer] = Consumer::Finished(event);
    }
    forget(state, consumer);
}

/// The delivery is over, and so is the `event_id` that it would have given a follow-up.
fn forget(state: &mut State, consumer: ConsumerId) {
    if let Some(follow_up) = &mut state.order.follow_up
        && follow_up.writer == Writer::Consumer(consumer)
    {
        *follow_up = FollowUp { writer: Writer::Gone, ..*follow_up };
    }
}
