//! Inventory, a handler of `OrderCreated`: it decides the order and reserves its stock, in one
//! transaction.

use crate::pending::action::{Action, ConsumerId};
use crate::pending::event::Event;
use crate::pending::parties::{broker, event_consumer, order_item};
use crate::pending::protocol::Handling;
use crate::pending::state::{Consumer, Decision, Entry, FollowUp, MANY, State, Status, Writer};
use crate::pending::variant::{PublishedFrom, Refusal};

/// Steps of a consumer of `OrderCreated` until the order is decided. The stock may change
/// meanwhile, so a second decision may differ from the first.
pub(crate) fn possible(consumer: ConsumerId, actions: &mut Vec<Action>) {
    for decision in [Decision::Confirm, Decision::Reject] {
        actions.push(Action::Decide(consumer, decision));
        actions.push(Action::LoseDecisionAnswer(consumer, decision));
    }
}

/// The answer says whether the decision was stored, and otherwise what the item contains.
pub(crate) fn decide(
    protocol: &Handling,
    state: &mut State,
    consumer: ConsumerId,
    decision: Decision,
) {
    let (doubted, seems_last) = match state.consumers[consumer] {
        Consumer::InDoubt { decision, seems_last } => (Some(decision), seems_last),
        Consumer::Handling { seems_last, .. } => (None, seems_last),
        _ => panic!("consumer {consumer} decides out of turn"),
    };
    // A decided order stays decided; an entry that is gone may return.
    let is_over = state.order.status == Status::Created
        && !order_item::is_open(protocol, state, Event::OrderCreated);
    let is_stored = store(protocol, state, consumer, decision);
    let publishes = match protocol.variant.published_from {
        PublishedFrom::History => state
            .order
            .follow_up
            .filter(|follow_up| follow_up.writer == Writer::Consumer(consumer))
            .map(|follow_up| follow_up.decision),
        PublishedFrom::Memory if is_stored => Some(decision),
        PublishedFrom::Memory => doubted,
    };
    if let Some(publishes) = publishes {
        state.consumers[consumer] = Consumer::Decided { publishes, seems_last };
    } else if is_over && protocol.variant.refusal == Refusal::Judged {
        event_consumer::finished(state, consumer);
    } else {
        finish_next(state, consumer, seems_last);
    }
}

pub(crate) fn lose_decision_answer(
    protocol: &Handling,
    state: &mut State,
    consumer: ConsumerId,
    decision: Decision,
) {
    let seems_last = match state.consumers[consumer] {
        Consumer::InDoubt { seems_last, .. } | Consumer::Handling { seems_last, .. } => seems_last,
        _ => panic!("consumer {consumer} decides out of turn"),
    };
    store(protocol, state, consumer, decision);
    state.consumers[consumer] = Consumer::InDoubt { decision, seems_last };
}

/// A half message that is committed immediately. An event that no history contains is a ghost.
pub(crate) fn publish_follow_up(protocol: &Handling, state: &mut State, consumer: ConsumerId) {
    if let Consumer::Decided { publishes, .. } = state.consumers[consumer] {
        let published = FollowUp { writer: Writer::Consumer(consumer), decision: publishes };
        if state.order.follow_up == Some(published) {
            broker::publish(state, Event::FollowUp);
        } else {
            state.past.ghost = true;
        }
    }
    lose_follow_up(protocol, state, consumer);
}

/// The follow-up is pending, so the sweep will publish it.
pub(crate) fn lose_follow_up(protocol: &Handling, state: &mut State, consumer: ConsumerId) {
    if let Consumer::Decided { seems_last, .. } = state.consumers[consumer] {
        if protocol.variant.decision_ends_event {
            event_consumer::finished(state, consumer);
        } else {
            finish_next(state, consumer, seems_last);
        }
    }
}

const fn finish_next(state: &mut State, consumer: ConsumerId, seems_last: bool) {
    let event = Event::OrderCreated;
    state.consumers[consumer] = Consumer::Finishing { event, seems_last };
}

/// Status, stock, history, the follow-up's entry, and the end of the event's entry: all or none.
fn store(protocol: &Handling, state: &mut State, consumer: ConsumerId, decision: Decision) -> bool {
    let event = Event::OrderCreated;
    let ends_event = protocol.variant.decision_ends_event;
    let is_open = !ends_event || order_item::is_open(protocol, state, event);
    let applies =
        (state.order.status == Status::Created && is_open) || !protocol.variant.status_guard;
    if applies {
        state.order.status = match decision {
            Decision::Confirm => Status::Confirmed,
            Decision::Reject => Status::Rejected,
        };
        if decision == Decision::Confirm {
            state.stock.reserved = MANY.min(state.stock.reserved + 1);
        }
        state.order.follow_up = Some(FollowUp { writer: Writer::Consumer(consumer), decision });
        if ends_event {
            order_item::notify(protocol, state, event);
            order_item::remove(protocol, state, event, false);
        }
        order_item::add(protocol, state, Event::FollowUp, Entry::default());
    }
    applies
}
