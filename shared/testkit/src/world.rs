//! Everything that a use case needs, in memory.

use application::answer_check::AnswerCheck;
use application::consume_events::{
    ConsumeEvents, InventoryHandler, NotificationHandler, ObserverHandler, Pace, Registry,
    Subscribed,
};
use application::create_order::{Budgets, CircuitBreaker, CreateOrder, WithoutBroker};
use application::publish_recorded_event::PublishRecordedEvent;
use application::redrive_dead_letter::RedriveDeadLetter;
use application::republish_event::RepublishEvent;
use application::sweep::{self, Sweep};
use contracts::event::EventType;

use crate::broker::MemoryBroker;
use crate::clock::ManualClock;
use crate::identities::SequentialIdentities;
use crate::tables::MemoryTables;

/// One state behind all adapters. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The wall clock of every process.
    pub clock: ManualClock,
    /// Makes identifiers.
    pub identities: SequentialIdentities,
    /// What stands in for `DynamoDB`.
    pub tables: MemoryTables,
    /// What stands in for RocketMQ.
    pub broker: MemoryBroker,
}

/// The use case [`CreateOrder`] in memory.
pub type MemoryCreateOrder =
    CreateOrder<MemoryTables, MemoryTables, MemoryBroker, ManualClock, SequentialIdentities>;

/// The use case [`ConsumeEvents`] in memory.
pub type MemoryConsumeEvents = ConsumeEvents<MemoryBroker, MemoryTables, MemoryBroker, ManualClock>;

/// The use case [`Sweep`] in memory.
pub type MemorySweep = Sweep<MemoryTables, MemoryBroker, MemoryTables, MemoryBroker, ManualClock>;

/// The use case [`RedriveDeadLetter`] in memory.
pub type MemoryRedrive = RedriveDeadLetter<
    MemoryTables,
    MemoryTables,
    MemoryTables,
    SequentialIdentities,
    MemoryTables,
    MemoryBroker,
    ManualClock,
>;

/// The use case [`RepublishEvent`] in memory.
pub type MemoryRepublish = RepublishEvent<MemoryTables, MemoryTables, MemoryBroker, ManualClock>;

impl World {
    /// Takes orders, as long as the broker takes their half messages.
    pub fn create_order(&self) -> MemoryCreateOrder {
        CreateOrder {
            orders: self.tables.clone(),
            catalog: self.tables.clone(),
            publisher: self.broker.clone(),
            clock: self.clock.clone(),
            identities: self.identities.clone(),
            budgets: Budgets::default(),
            without_broker: WithoutBroker::Refuse,
        }
    }

    /// Takes orders, also while the broker is away.
    pub fn create_order_without_broker(&self) -> MemoryCreateOrder {
        let without_broker = WithoutBroker::Accept(CircuitBreaker::default());
        CreateOrder { without_broker, ..self.create_order() }
    }

    /// Answers check-backs.
    pub fn answer_check(&self) -> AnswerCheck<MemoryTables, ManualClock> {
        AnswerCheck::new(self.tables.clone(), self.clock.clone())
    }

    /// Publishes recorded events.
    pub fn publication(&self) -> PublishRecordedEvent<MemoryTables, MemoryBroker, ManualClock> {
        PublishRecordedEvent {
            outbox: self.tables.clone(),
            publisher: self.broker.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Redrives dead letters, where the broker can be reached.
    pub fn redrive(&self) -> MemoryRedrive {
        RedriveDeadLetter {
            letters: self.tables.clone(),
            removal: self.tables.clone(),
            events: self.tables.clone(),
            identities: self.identities.clone(),
            publication: Some(self.publication()),
            clock: self.clock.clone(),
        }
    }

    /// Publishes recorded events once more.
    pub fn republish(&self) -> MemoryRepublish {
        RepublishEvent { events: self.tables.clone(), publication: self.publication() }
    }

    /// Publishes what no consumer has seen.
    pub fn sweep(&self) -> MemorySweep {
        Sweep {
            unobserved: self.tables.clone(),
            published: self.broker.clone(),
            publication: self.publication(),
            pace: sweep::Pace::default(),
        }
    }

    /// The handlers of event-consumer, in its order.
    pub fn registry(&self) -> Registry {
        let inbox = || self.tables.clone();
        Registry::default()
            .with(
                Subscribed::ToAll,
                ObserverHandler { observations: self.tables.clone(), inbox: inbox() },
            )
            .with(
                Subscribed::To(&[EventType::OrderCreated]),
                InventoryHandler {
                    inventory: self.tables.clone(),
                    inbox: inbox(),
                    identities: self.identities.clone(),
                    publication: self.publication(),
                },
            )
            .with(
                Subscribed::ToAll,
                NotificationHandler { notifications: self.tables.clone(), inbox: inbox() },
            )
    }

    /// Consumes events with those handlers.
    pub fn consume_events(&self, registry: Registry) -> MemoryConsumeEvents {
        ConsumeEvents {
            subscription: self.broker.clone(),
            dead_letters: self.tables.clone(),
            announcements: self.broker.clone(),
            clock: self.clock.clone(),
            registry,
            pace: Pace::default(),
        }
    }
}
