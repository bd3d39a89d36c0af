//! The visible state, of the model and of the stage.

use contracts::event::EventType;
use domain::identity::EventId;
use domain::order::OrderStatus;
use domain::pending::PendingEvent;
use testkit::samples::product_id;

use super::stage::{STOCK, Stage};
use super::wire::{Call, ELSEWHERE};
use crate::pending::event::{Event, PerEvent};
use crate::pending::state::{Consumer, Copies, Decision, Entry, State, Status, Stock};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    status: Status,
    follow_up: Option<Decision>,
    cancelled: bool,
    pending: PerEvent<Option<Entry>>,
    indexed: bool,
    notifications: PerEvent<u8>,
    stock: Stock,
    effects_elsewhere: u8,
    letters: PerEvent<Option<Entry>>,
    topic: PerEvent<Copies>,
    consumers: Vec<At>,
}

/// The call that a consumer waits for, as far as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Nothing,
    Write,
    Publication,
    End(Event),
}

impl View {
    pub(crate) fn of_model(state: &State, consumers: usize) -> Self {
        let order = &state.order;
        let at = |consumer: &Consumer| match *consumer {
            Consumer::Idle => At::Nothing,
            Consumer::Handling { .. } | Consumer::InDoubt { .. } | Consumer::Finishing { .. } => {
                At::Write
            }
            Consumer::Decided { .. } => At::Publication,
            Consumer::Finished(event) => At::End(event),
        };
        Self {
            status: order.status,
            follow_up: order.follow_up.map(|follow_up| follow_up.decision),
            cancelled: order.cancelled,
            pending: order.pending.clone(),
            indexed: order.indexed,
            notifications: order.notifications.clone(),
            stock: state.stock.clone(),
            effects_elsewhere: state.effects_elsewhere,
            letters: state.letters.clone(),
            topic: state.topic.clone(),
            consumers: state.consumers.iter().take(consumers).map(at).collect(),
        }
    }

    /// Adjusts consumers that are ahead in the code: after a refused decision they know immediately
    /// whether there is anything to finish; the model's consumer learns it only from its finishing
    /// write.
    pub(crate) fn ahead_as(mut self, stage: &Stage, state: &State) -> Self {
        for (consumer, at) in self.consumers.iter_mut().enumerate() {
            if let Consumer::Finishing { event, .. } = state.consumers[consumer]
                && state.order.pending[event].is_none()
                && stage.at(consumer) == At::End(event)
            {
                *at = At::End(event);
            }
        }
        self
    }
}

impl Stage {
    pub(crate) fn seen(&self) -> View {
        let stored = self.stored();
        let history = stored.order.history();
        let reached = |status| history.iter().any(|change| change.status == status);
        let left = self.world.tables.stock_of(product_id(1)).unwrap();
        let reserved = STOCK - left + u32::from(self.given_back);
        View {
            status: match stored.order.status() {
                OrderStatus::Created => Status::Created,
                OrderStatus::Confirmed => Status::Confirmed,
                OrderStatus::Rejected => Status::Rejected,
                OrderStatus::Cancelled => Status::Cancelled,
            },
            follow_up: match (reached(OrderStatus::Confirmed), reached(OrderStatus::Rejected)) {
                (true, _) => Some(Decision::Confirm),
                (false, true) => Some(Decision::Reject),
                (false, false) => None,
            },
            cancelled: reached(OrderStatus::Cancelled),
            pending: self.of_each(|event_id| stored.pending.get(event_id).map(entry)),
            indexed: self.world.tables.index_entry(stored.order.id()).is_some(),
            notifications: self.notifications(),
            stock: Stock { reserved: reserved.try_into().unwrap(), given_back: self.given_back },
            effects_elsewhere: self.effects_elsewhere,
            letters: self.of_each(|event_id| self.letter(event_id)),
            topic: self.copies(),
            consumers: (0..self.consumers.len()).map(|consumer| self.at(consumer)).collect(),
        }
    }

    /// `None` if the order's history does not contain the event.
    pub(crate) fn id_of(&self, event: Event) -> Option<EventId> {
        let is_of = |status| match event {
            Event::OrderCreated => status == OrderStatus::Created,
            Event::FollowUp => matches!(status, OrderStatus::Confirmed | OrderStatus::Rejected),
            Event::OrderCancelled => status == OrderStatus::Cancelled,
        };
        let stored = self.stored();
        let mut history = stored.order.history().iter();
        history.find(|change| is_of(change.status)).map(|change| change.event.event_id)
    }

    fn of_each<Value: Default>(&self, of: impl Fn(EventId) -> Value) -> PerEvent<Value> {
        let mut each = PerEvent::default();
        for event in Event::ALL {
            each[event] = self.id_of(event).map(&of).unwrap_or_default();
        }
        each
    }

    fn notifications(&self) -> PerEvent<u8> {
        let mut counts = PerEvent::default();
        for notification in self.stored().order.notifications() {
            let name = notification.event_type.as_str();
            let event = if name == EventType::OrderCreated.as_str() {
                Event::OrderCreated
            } else if name == EventType::OrderCancelled.as_str() {
                Event::OrderCancelled
            } else {
                Event::FollowUp
            };
            counts[event] += 1;
        }
        counts
    }

    fn letter(&self, event_id: EventId) -> Option<Entry> {
        let letters = self.world.tables.dead_letters();
        let letter = letters.iter().find(|letter| letter.event_id == Some(event_id))?;
        assert_eq!(letter.expires_at, None, "a letter of ours stays until somebody looks at it");
        Some(Entry { elsewhere_done: letter.done_by.contains(ELSEWHERE) })
    }

    fn copies(&self) -> PerEvent<Copies> {
        let mut copies = PerEvent::default();
        for event in Event::ALL {
            let topic = &self.topic[event];
            copies[event] =
                Copies { is_stored: topic.is_stored, unacknowledged: topic.unacknowledged };
        }
        copies
    }

    fn at(&self, consumer: usize) -> At {
        let Some(consumer) = &self.consumers[consumer] else { return At::Nothing };
        match consumer.held {
            Some(Call::Prepare(..)) => At::Publication,
            Some(Call::Acknowledge(_)) => At::End(consumer.event),
            _ => At::Write,
        }
    }
}

fn entry(pending: &PendingEvent) -> Entry {
    Entry { elsewhere_done: pending.done_by.contains(ELSEWHERE) }
}
