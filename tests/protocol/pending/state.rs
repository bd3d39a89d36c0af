//! What is true at one moment: of the order, at the broker, in the consumers' hands.

use crate::pending::action::ConsumerId;
use crate::pending::event::{Event, PerEvent};
use crate::pending::variant::Bounds;

/// The most consumers that a state has room for.
pub(crate) const CONSUMERS_MAX: usize = 3;

/// Counters that only matter up to here stop here: a third copy does what a second one does.
pub(crate) const MANY: u8 = 2;

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The order's item.
    pub(crate) order: Order,
    /// What inventory made of it.
    pub(crate) stock: Stock,
    /// How often the effect elsewhere happened.
    pub(crate) effects_elsewhere: u8,
    /// Dead letters, with the entries that ended for them.
    pub(crate) letters: PerEvent<Option<Entry>>,
    /// What RocketMQ holds.
    pub(crate) topic: PerEvent<Copies>,
    /// Which events another team's group was given.
    pub(crate) reached_others: PerEvent<bool>,
    /// What cancel-order has read, where it writes the whole item.
    pub(crate) read_to_cancel: Option<Order>,
    /// What the consumers are at.
    pub(crate) consumers: [Consumer; CONSUMERS_MAX],
    /// How often the sweep may still publish what is on its way. What has to be published is not
    /// counted: a bound on that would look like a loss.
    pub(crate) early_sweeps_left: u8,
    /// How many things may still go wrong.
    pub(crate) faults_left: u8,
    /// What was done once and can't be seen any more.
    pub(crate) past: Past,
}

/// The order, as far as its events go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// Where it is in its life.
    pub(crate) status: Status,
    /// The history's second entry, if inventory has decided.
    pub(crate) follow_up: Option<FollowUp>,
    /// The history's last entry, if the customer has cancelled.
    pub(crate) cancelled: bool,
    /// What is not handled yet.
    pub(crate) pending: PerEvent<Option<Entry>>,
    /// Whether the item carries the keys of the sweep's index.
    pub(crate) indexed: bool,
    /// How often each event was notified.
    pub(crate) notifications: PerEvent<u8>,
}

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    /// Nobody has decided yet.
    Created,
    /// Inventory has taken its stock.
    Confirmed,
    /// Inventory was short of it.
    Rejected,
    /// The customer doesn't want it any more.
    Cancelled,
}

/// What inventory decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    /// There is enough.
    Confirm,
    /// There is not.
    Reject,
}

/// `OrderConfirmed` or `OrderRejected`, as the history holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FollowUp {
    /// Whose `event_id` it has.
    pub(crate) writer: Writer,
    /// Which of the two it is.
    pub(crate) decision: Decision,
}

/// Who gave a follow-up its `event_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    /// A consumer, in the delivery that it is still at.
    Consumer(ConsumerId),
    /// A delivery that is over. Nobody has its `event_id` in memory any more.
    Gone,
}

/// What the order knows about an event that is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Entry {
    /// The handler with an effect elsewhere has marked itself done.
    pub(crate) elsewhere_done: bool,
}

/// What inventory made of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Stock {
    /// How often stock was taken.
    pub(crate) taken: u8,
    /// How often it was given back.
    pub(crate) given_back: u8,
}

/// An event on its topic, in its latest publication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Copies {
    /// Whoever asks for it finds it.
    pub(crate) is_stored: bool,
    /// How many copies our group can still be given.
    pub(crate) unacknowledged: u8,
}

/// What a consumer is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Consumer {
    /// Nothing.
    Idle,
    /// It has found the event pending, and its handlers run.
    Handling { event: Event, seems_last: bool },
    /// Of `OrderCreated`: it doesn't know what became of its decision.
    InDoubt { decision: Decision, seems_last: bool },
    /// Of `OrderCreated`: this consumer has decided the order, and publishes what follows.
    Decided { publishes: Decision, seems_last: bool },
    /// All handlers are done. `seems_last` is what it read: that nothing else is pending.
    Finishing { event: Event, seems_last: bool },
    /// The event is finished, by whomever.
    Finished(Event),
}

/// What was done once and can't be seen any more.
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

    /// Whether anything is pending, but for this event.
    pub(crate) fn is_pending_beside(&self, event: Event) -> bool {
        Event::ALL.into_iter().any(|other| other != event && self.pending[other].is_some())
    }

    /// Whether anything is pending.
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
