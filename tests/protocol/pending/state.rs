//! The state at one moment: of the order, at the broker, at the consumers.

use crate::pending::action::ConsumerId;
use crate::pending::event::{Event, PerEvent};
use crate::pending::variant::Bounds;

/// The state has room for this many.
pub(crate) const CONSUMERS_MAX: usize = 3;

/// Counters stop here if larger values make no difference: a third copy has the same effect as a
/// second one.
pub(crate) const MANY: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) order: Order,
    pub(crate) stock: Stock,
    pub(crate) effects_elsewhere: u8,
    /// Dead letters, with the entries that they ended.
    pub(crate) letters: PerEvent<Option<Entry>>,
    pub(crate) topic: PerEvent<Copies>,
    /// Which events another team's group has received.
    pub(crate) reached_others: PerEvent<bool>,
    /// What cancel-order has read, if it writes the whole item.
    pub(crate) read_to_cancel: Option<Order>,
    pub(crate) consumers: [Consumer; CONSUMERS_MAX],
    /// How often the sweep may still publish an event that is on its way. Necessary publications
    /// are not counted: a bound on them would look like a loss.
    pub(crate) early_sweeps_left: u8,
    pub(crate) faults_left: u8,
    /// Past events that the rest of the state does not show.
    pub(crate) past: Past,
}

/// The order, as far as its events matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) status: Status,
    /// The history's second entry, once inventory has decided.
    pub(crate) follow_up: Option<FollowUp>,
    /// The history's last entry, once the user has cancelled.
    pub(crate) cancelled: bool,
    pub(crate) pending: PerEvent<Option<Entry>>,
    /// Whether the item has the keys of the sweep's index.
    pub(crate) indexed: bool,
    pub(crate) notifications: PerEvent<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Created,
    Confirmed,
    Rejected,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    Confirm,
    Reject,
}

/// `OrderConfirmed` or `OrderRejected`, as the history contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FollowUp {
    /// The delivery that chose its `event_id`.
    pub(crate) writer: Writer,
    pub(crate) decision: Decision,
}

/// Who chose a follow-up's `event_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    /// The delivery that this consumer is still handling.
    Consumer(ConsumerId),
    /// A delivery that is over. No process has its `event_id` in memory any more.
    Gone,
}

/// What the order stores about a pending event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Entry {
    /// The handler with an effect elsewhere has marked itself done.
    pub(crate) elsewhere_done: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Stock {
    pub(crate) reserved: u8,
    pub(crate) given_back: u8,
}

/// An event on its topic, in its latest publication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Copies {
    /// Whether a query for the event finds it.
    pub(crate) is_stored: bool,
    /// Copies that our group can still receive.
    pub(crate) unacknowledged: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Consumer {
    /// It waits for a delivery.
    Idle,
    /// It has found the event pending, and its handlers run.
    Handling { event: Event, seems_last: bool },
    /// Of `OrderCreated`: the consumer doesn't know whether its decision was stored.
    InDoubt { decision: Decision, seems_last: bool },
    /// Of `OrderCreated`: this consumer has decided the order, and publishes the follow-up.
    Decided { publishes: Decision, seems_last: bool },
    /// All handlers are done. `seems_last`: no other event was pending when it read the order.
    Finishing { event: Event, seems_last: bool },
    /// Some consumer has finished the event.
    Finished(Event),
}

/// Past events that the rest of the state does not show.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Past {
    /// A follow-up was published that no history contains.
    pub(crate) ghost: bool,
    pub(crate) redriven: bool,
}

impl State {
    /// The order's put has taken effect, and its half message is committed.
    pub(crate) fn initial(bounds: &Bounds) -> Self {
        let mut order = Order {
            status: Status::Created,
            follow_up: None,
            cancelled: false,
            pending: PerEvent::default(),
            indexed: true,
            notifications: PerEvent::default(),
        };
        order.pending[Event::OrderCreated] = Some(Entry::default());
        let mut topic = PerEvent::<Copies>::default();
        topic[Event::OrderCreated] = Copies { is_stored: true, unacknowledged: 1 };
        Self {
            order,
            stock: Stock::default(),
            effects_elsewhere: 0,
            letters: PerEvent::default(),
            topic,
            reached_others: PerEvent::default(),
            read_to_cancel: None,
            consumers: [Consumer::Idle; CONSUMERS_MAX],
            early_sweeps_left: bounds.early_sweeps,
            faults_left: bounds.faults,
            past: Past::default(),
        }
    }
}

impl Order {
    pub(crate) const fn records(&self, event: Event) -> bool {
        match event {
            Event::OrderCreated => true,
            Event::FollowUp => self.follow_up.is_some(),
            Event::OrderCancelled => self.cancelled,
        }
    }

    /// Whether another event is pending.
    pub(crate) fn is_pending_beside(&self, event: Event) -> bool {
        Event::ALL.into_iter().any(|other| other != event && self.pending[other].is_some())
    }

    pub(crate) fn is_pending(&self) -> bool {
        Event::ALL.into_iter().any(|event| self.pending[event].is_some())
    }
}

impl Consumer {
    pub(crate) const fn holds(self) -> Option<Event> {
        match self {
            Self::Idle => None,
            Self::InDoubt { .. } | Self::Decided { .. } => Some(Event::OrderCreated),
            Self::Handling { event, .. }
            | Self::Finishing { event, .. }
            | Self::Finished(event) => Some(event),
        }
    }
}
