//! The state at one moment: of the order, at the broker, at the consumers.

use crate::pending::action::ConsumerId;
use crate::pending::event::{Event, PerEvent};
use crate::pending::variant::Bounds;

/// The most consumers that a state has room for.
pub(crate) const CONSUMERS_MAX: usize = 3;

/// Counters that only matter up to here stop here: a third copy does what a second one does.
pub(crate) const MANY: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The order's item.
    pub(crate) order: Order,
    pub(crate) stock: Stock,
    /// How often the effect elsewhere happened.
    pub(crate) effects_elsewhere: u8,
    /// Dead letters, with the entries that ended for them.
    pub(crate) letters: PerEvent<Option<Entry>>,
    /// What RocketMQ holds.
    pub(crate) topic: PerEvent<Copies>,
    /// Which events another team's group has received.
    pub(crate) reached_others: PerEvent<bool>,
    /// What cancel-order has read, where it writes the whole item.
    pub(crate) read_to_cancel: Option<Order>,
    /// What each consumer is doing.
    pub(crate) consumers: [Consumer; CONSUMERS_MAX],
    /// How often the sweep may still publish an event that is on its way. Publications that are
    /// needed are not counted: a bound on them would look like a loss.
    pub(crate) early_sweeps_left: u8,
    /// How many things may still go wrong.
    pub(crate) faults_left: u8,
    /// What happened and can't be seen any more.
    pub(crate) past: Past,
}

/// The order, as far as its events go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) status: Status,
    /// The history's second entry, if inventory has decided.
    pub(crate) follow_up: Option<FollowUp>,
    /// The history's last entry, if the user has cancelled.
    pub(crate) cancelled: bool,
    /// The events that are not handled yet.
    pub(crate) pending: PerEvent<Option<Entry>>,
    /// Whether the item carries the keys of the sweep's index.
    pub(crate) indexed: bool,
    /// How often each event was notified.
    pub(crate) notifications: PerEvent<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    /// Inventory has not decided yet.
    Created,
    /// Inventory has reserved its stock.
    Confirmed,
    /// There was not enough stock.
    Rejected,
    /// The user has cancelled it.
    Cancelled,
}

/// A decision of inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    /// There is enough stock.
    Confirm,
    /// There is not enough.
    Reject,
}

/// `OrderConfirmed` or `OrderRejected`, as the history holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FollowUp {
    /// The delivery that gave it its `event_id`.
    pub(crate) writer: Writer,
    /// Which of the two it is.
    pub(crate) decision: Decision,
}

/// Who gave a follow-up its `event_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    /// The delivery that this consumer is still handling.
    Consumer(ConsumerId),
    /// A delivery that is over. No process has its `event_id` in memory any more.
    Gone,
}

/// What the order knows about an event that is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Entry {
    /// The handler with an effect elsewhere has marked itself done.
    pub(crate) elsewhere_done: bool,
}

/// The stock that was reserved for an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Stock {
    /// How often stock was reserved.
    pub(crate) reserved: u8,
    /// How often it was given back.
    pub(crate) given_back: u8,
}

/// An event on its topic, in its latest publication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Copies {
    /// Whether a query for it finds it.
    pub(crate) is_stored: bool,
    /// How many copies our group can still receive.
    pub(crate) unacknowledged: u8,
}

/// What a consumer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Consumer {
    /// Nothing.
    Idle,
    /// It has found the event pending, and its handlers run.
    Handling { event: Event, seems_last: bool },
    /// Of `OrderCreated`: it doesn't know whether its decision was stored.
    InDoubt { decision: Decision, seems_last: bool },
    /// Of `OrderCreated`: this consumer has decided the order, and publishes what follows.
    Decided { publishes: Decision, seems_last: bool },
    /// All handlers are done. `seems_last`: when it read the order, no other event was pending.
    Finishing { event: Event, seems_last: bool },
    /// The event is finished, by any consumer.
    Finished(Event),
}

/// What happened and can't be seen any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Past {
    /// A follow-up was published that is in no history.
    pub(crate) ghost: bool,
    /// A dead letter was redriven.
    pub(crate) redriven: bool,
}

impl State {
    /// The order's put has landed, and its half message is committed.
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
    /// Whether the history holds the event.
    pub(crate) const fn records(&self, event: Event) -> bool {
        match event {
            Event::OrderCreated => true,
            Event::FollowUp => self.follow_up.is_some(),
            Event::OrderCancelled => self.cancelled,
        }
    }

    /// Whether any other event is pending.
    pub(crate) fn is_pending_beside(&self, event: Event) -> bool {
        Event::ALL.into_iter().any(|other| other != event && self.pending[other].is_some())
    }

    /// Whether any event is pending.
    pub(crate) fn is_pending(&self) -> bool {
        Event::ALL.into_iter().any(|event| self.pending[event].is_some())
    }
}

impl Consumer {
    /// The event whose copy it holds.
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
