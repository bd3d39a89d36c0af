//! Everything that a use case needs, in memory.

use application::answer_check::AnswerCheck;
use application::change_password::ChangePassword;
use application::consume_events::{
    ConsumeEvents, InventoryHandler, NotificationHandler, ObserverHandler, Pace, Registry,
    Subscribed,
};
use application::create_order::{Budgets, CircuitBreaker, CreateOrder, WithoutBroker};
use application::delete_account::DeleteAccount;
use application::events;
use application::guess_guard::GuessGuard;
use application::list_activity::ListActivity;
use application::log_in::LogIn;
use application::log_out::LogOut;
use application::orders;
use application::publish_recorded_event::PublishRecordedEvent;
use application::redrive_dead_letter::RedriveDeadLetter;
use application::refresh_session::RefreshSession;
use application::register_user::RegisterUser;
use application::republish_event::RepublishEvent;
use application::show_account::ShowAccount;
use application::sweep::{self, Sweep};
use contracts::event::EventType;

use crate::broker::MemoryBroker;
use crate::clock::ManualClock;
use crate::identities::SequentialIdentities;
use crate::secrets::{NumberedTokens, PlainHasher};
use crate::tables::MemoryTables;

/// One state behind all adapters. Clones share it.
#[derive(Debug, Clone)]
pub struct World {
    /// The wall clock of every process.
    pub clock: ManualClock,
    /// Makes identifiers.
    pub identities: SequentialIdentities,
    /// What stands in for `DynamoDB`.
    pub tables: MemoryTables,
    /// What stands in for RocketMQ.
    pub broker: MemoryBroker,
    /// Hashes passwords.
    pub passwords: PlainHasher,
    /// Makes tokens.
    pub tokens: NumberedTokens,
}

impl Default for World {
    fn default() -> Self {
        let (clock, broker) = (ManualClock::default(), MemoryBroker::default());
        broker.set_clock(&clock);
        Self {
            clock,
            identities: SequentialIdentities::default(),
            tables: MemoryTables::default(),
            broker,
            passwords: PlainHasher::default(),
            tokens: NumberedTokens::default(),
        }
    }
}

/// The use case [`orders::create::CreateOrder`] in memory.
pub type MemoryCreateOrders = orders::create::CreateOrder<
    MemoryTables,
    MemoryTables,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

/// The use case [`events::answer_check::AnswerCheck`] in memory.
pub type MemoryAnswerChecks = events::answer_check::AnswerCheck<MemoryTables, ManualClock>;

/// The use case [`events::consume::ConsumeEvents`] in memory.
pub type MemoryConsumePending = events::consume::ConsumeEvents<
    MemoryBroker,
    MemoryTables,
    MemoryBroker,
    MemoryTables,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

/// The use case [`events::sweep::Sweep`] in memory.
pub type MemorySweepPending = events::sweep::Sweep<
    MemoryTables,
    MemoryTables,
    MemoryBroker,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

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

/// The use case [`RegisterUser`] in memory.
pub type MemoryRegisterUser =
    RegisterUser<MemoryTables, MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

/// The use case [`LogIn`] in memory.
pub type MemoryLogIn = LogIn<
    MemoryTables,
    MemoryTables,
    PlainHasher,
    NumberedTokens,
    NumberedTokens,
    SequentialIdentities,
    ManualClock,
>;

/// The use case [`RefreshSession`] in memory.
pub type MemoryRefreshSession =
    RefreshSession<MemoryTables, NumberedTokens, NumberedTokens, SequentialIdentities, ManualClock>;

/// The use case [`ChangePassword`] in memory.
pub type MemoryChangePassword =
    ChangePassword<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

/// The use cases of orders and events, each order in one item.
impl World {
    /// Creates orders.
    pub fn create_orders(&self) -> MemoryCreateOrders {
        orders::create::CreateOrder {
            orders: self.tables.clone(),
            catalog: self.tables.clone(),
            publisher: self.broker.clone(),
            clock: self.clock.clone(),
            identities: self.identities.clone(),
            budgets: Budgets::default(),
            without_broker: WithoutBroker::Accept(CircuitBreaker::default()),
        }
    }

    /// Answers check-backs.
    pub fn answer_checks(&self) -> MemoryAnswerChecks {
        events::answer_check::AnswerCheck::new(self.tables.clone(), self.clock.clone())
    }

    /// Consumes events, with `registry` beside what changes the orders alone.
    pub fn consume_pending(&self, registry: events::consume::Registry) -> MemoryConsumePending {
        events::consume::ConsumeEvents {
            subscription: self.broker.clone(),
            handling: events::consume::HandleEvents {
                aggregates: self.tables.clone(),
                publication: self.publish_stored(),
                identities: self.identities.clone(),
                registry,
                groups: events::consume::ReservationGroups::default(),
            },
            letters: self.tables.clone(),
            announcements: self.broker.clone(),
            pace: Pace::default(),
        }
    }

    /// Sweeps what is pending.
    pub fn sweep_pending(&self) -> MemorySweepPending {
        events::sweep::Sweep {
            index: self.tables.clone(),
            aggregates: self.tables.clone(),
            topics: self.broker.clone(),
            publication: self.publish_stored(),
            identities: self.identities.clone(),
            pace: sweep::Pace::default(),
        }
    }

    fn publish_stored(&self) -> events::publish::PublishStored<MemoryBroker, ManualClock> {
        let (publisher, clock) = (self.broker.clone(), self.clock.clone());
        events::publish::PublishStored { publisher, clock }
    }
}

/// Users.
impl World {
    fn guard(&self) -> GuessGuard<MemoryTables, ManualClock> {
        GuessGuard { records: self.tables.clone(), clock: self.clock.clone() }
    }

    /// Makes accounts.
    pub fn register_user(&self) -> MemoryRegisterUser {
        RegisterUser {
            users: self.tables.clone(),
            guard: self.guard(),
            passwords: self.passwords.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Begins sessions.
    pub fn log_in(&self) -> MemoryLogIn {
        LogIn {
            users: self.tables.clone(),
            accounts: self.tables.clone(),
            guard: self.guard(),
            passwords: self.passwords.clone(),
            tokens: self.tokens.clone(),
            refresh_tokens: self.tokens.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Goes on with sessions.
    pub fn refresh_session(&self) -> MemoryRefreshSession {
        RefreshSession {
            users: self.tables.clone(),
            tokens: self.tokens.clone(),
            refresh_tokens: self.tokens.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Ends sessions.
    pub fn log_out(&self) -> LogOut<MemoryTables, SequentialIdentities, ManualClock> {
        LogOut {
            show: self.show_account(),
            users: self.tables.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Shows accounts.
    pub fn show_account(&self) -> ShowAccount<MemoryTables, ManualClock> {
        ShowAccount { users: self.tables.clone(), clock: self.clock.clone() }
    }

    /// Changes passwords.
    pub fn change_password(&self) -> MemoryChangePassword {
        ChangePassword {
            show: self.show_account(),
            users: self.tables.clone(),
            guard: self.guard(),
            passwords: self.passwords.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Deletes accounts.
    pub fn delete_account(&self) -> DeleteAccount<MemoryTables, ManualClock> {
        DeleteAccount { show: self.show_account(), users: self.tables.clone() }
    }

    /// Lists activities.
    pub fn list_activity(&self) -> ListActivity<MemoryTables, ManualClock> {
        ListActivity { show: self.show_account(), log: self.tables.clone() }
    }
}

/// Orders and their events.
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
