//! Everything that a use case needs, in memory.

use application::events;
use application::orders;
use application::orders::create::{Budgets, CircuitBreaker, WithoutBroker};
use application::users::ask_for_mail::AskForMail;
use application::users::change_password::ChangePassword;
use application::users::current_password::CurrentPassword;
use application::users::delete_account::DeleteAccount;
use application::users::guess_guard::GuessGuard;
use application::users::list_activity::ListActivity;
use application::users::log_in::LogIn;
use application::users::log_out::LogOut;
use application::users::redeem_mail::RedeemMail;
use application::users::refresh_session::RefreshSession;
use application::users::register::RegisterUser;
use application::users::show_account::ShowAccount;

use crate::broker::MemoryBroker;
use crate::clock::ManualClock;
use crate::identities::SequentialIdentities;
use crate::mailbox::Mailbox;
use crate::secrets::{NumberedTokens, PlainHasher};
use crate::tables::MemoryTables;

/// The state behind all adapters. Clones share it.
#[derive(Debug, Clone)]
pub struct World {
    pub clock: ManualClock,
    pub identities: SequentialIdentities,
    /// DynamoDB in memory.
    pub tables: MemoryTables,
    /// RocketMQ in memory.
    pub broker: MemoryBroker,
    pub passwords: PlainHasher,
    pub tokens: NumberedTokens,
    pub mailbox: Mailbox,
    pub sends_mails: bool,
    /// How many open units an account may hold; `None` if open units are not counted.
    pub open_units_max: Option<u32>,
}

/// More than the accounts of a test reserve, unless it tests the limit.
const OPEN_UNITS_MAX: u32 = 1_000_000;

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
            mailbox: Mailbox::default(),
            sends_mails: false,
            open_units_max: Some(OPEN_UNITS_MAX),
        }
    }
}

pub type MemoryCreateOrders = orders::create::CreateOrder<
    MemoryTables,
    MemoryTables,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

pub type MemoryAnswerChecks =
    events::answer_check::AnswerCheck<MemoryTables, MemoryTables, MemoryBroker, ManualClock>;

/// With other aggregates if a test passes some.
pub type MemoryConsumePending<Aggregates = MemoryTables> = events::consume::ConsumeEvents<
    MemoryBroker,
    MemoryTables,
    MemoryBroker,
    Aggregates,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

pub type MemorySweepPending = events::sweep::Sweep<
    MemoryTables,
    MemoryTables,
    MemoryBroker,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

pub type MemoryRegisterUser =
    RegisterUser<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

pub type MemoryLogIn = LogIn<
    MemoryTables,
    PlainHasher,
    NumberedTokens,
    NumberedTokens,
    SequentialIdentities,
    ManualClock,
>;

pub type MemoryRefreshSession =
    RefreshSession<MemoryTables, NumberedTokens, NumberedTokens, SequentialIdentities, ManualClock>;

pub type MemoryChangePassword =
    ChangePassword<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

pub type MemoryDeleteAccount =
    DeleteAccount<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

pub type MemoryAskForMail =
    AskForMail<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

pub type MemoryRedeemMail =
    RedeemMail<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

pub type MemorySendMail =
    events::send_mail::SendMail<MemoryTables, MemoryTables, Mailbox, NumberedTokens, ManualClock>;

type MemoryCurrentPassword =
    CurrentPassword<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

impl World {
    /// Orders are created even without the broker.
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

    pub fn answer_checks(&self) -> MemoryAnswerChecks {
        let (orders, aggregates) = (self.tables.clone(), self.tables.clone());
        let (topics, clock) = (self.broker.clone(), self.clock.clone());
        events::answer_check::AnswerCheck::new(orders, aggregates, topics, clock)
    }

    /// Consumes with the handlers of `registry`, in addition to those that change only orders.
    pub fn consume_pending(&self, registry: events::consume::Registry) -> MemoryConsumePending {
        self.consume_pending_of(self.tables.clone(), registry)
    }

    /// [`World::consume_pending`] with other `aggregates`.
    pub fn consume_pending_of<Aggregates>(
        &self,
        aggregates: Aggregates,
        registry: events::consume::Registry,
    ) -> MemoryConsumePending<Aggregates> {
        events::consume::ConsumeEvents {
            subscription: self.broker.clone(),
            handling: events::consume::HandleEvents {
                aggregates,
                publication: self.publish_stored(),
                identities: self.identities.clone(),
                registry,
                groups: events::consume::ReservationGroups::limited(self.open_units_max),
            },
            giving_up: events::consume::GiveUpEvents {
                letters: self.tables.clone(),
                announcements: self.broker.clone(),
            },
            pace: events::consume::Pace::default(),
        }
    }

    pub fn sweep_pending(&self) -> MemorySweepPending {
        events::sweep::Sweep {
            index: self.tables.clone(),
            aggregates: self.tables.clone(),
            topics: self.broker.clone(),
            publication: self.publish_stored(),
            identities: self.identities.clone(),
            pace: events::sweep::Pace::default(),
        }
    }

    fn publish_stored(&self) -> events::publish::PublishStored<MemoryBroker, ManualClock> {
        let (publisher, clock) = (self.broker.clone(), self.clock.clone());
        events::publish::PublishStored { publisher, clock }
    }
}

impl World {
    fn guard(&self) -> GuessGuard<MemoryTables, ManualClock> {
        GuessGuard { records: self.tables.clone(), clock: self.clock.clone() }
    }

    pub fn register_user(&self) -> MemoryRegisterUser {
        RegisterUser {
            users: self.tables.clone(),
            guard: self.guard(),
            passwords: self.passwords.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
            sends_mails: self.sends_mails,
        }
    }

    pub fn log_in(&self) -> MemoryLogIn {
        LogIn {
            users: self.tables.clone(),
            guard: self.guard(),
            passwords: self.passwords.clone(),
            tokens: self.tokens.clone(),
            refresh_tokens: self.tokens.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    pub fn refresh_session(&self) -> MemoryRefreshSession {
        RefreshSession {
            users: self.tables.clone(),
            tokens: self.tokens.clone(),
            refresh_tokens: self.tokens.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    pub fn log_out(&self) -> LogOut<MemoryTables, SequentialIdentities, ManualClock> {
        LogOut {
            show: self.show_account(),
            users: self.tables.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    pub fn show_account(&self) -> ShowAccount<MemoryTables, ManualClock> {
        ShowAccount { users: self.tables.clone(), clock: self.clock.clone() }
    }

    pub fn change_password(&self) -> MemoryChangePassword {
        ChangePassword { show: self.show_account(), current: self.current_password() }
    }

    pub fn delete_account(&self) -> MemoryDeleteAccount {
        DeleteAccount { show: self.show_account(), current: self.current_password() }
    }

    pub fn ask_for_mail(&self) -> MemoryAskForMail {
        AskForMail { show: self.show_account(), current: self.current_password() }
    }

    pub fn redeem_mail(&self) -> MemoryRedeemMail {
        RedeemMail {
            users: self.tables.clone(),
            passwords: self.passwords.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    pub fn send_mail(&self) -> MemorySendMail {
        events::send_mail::SendMail {
            users: self.tables.clone(),
            aggregates: self.tables.clone(),
            mailer: Some(self.mailbox.clone()),
            secrets: self.tokens.clone(),
            clock: self.clock.clone(),
        }
    }

    fn current_password(&self) -> MemoryCurrentPassword {
        CurrentPassword {
            users: self.tables.clone(),
            guard: self.guard(),
            passwords: self.passwords.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    pub fn list_activity(&self) -> ListActivity<MemoryTables, ManualClock> {
        ListActivity { show: self.show_account(), log: self.tables.clone() }
    }
}
