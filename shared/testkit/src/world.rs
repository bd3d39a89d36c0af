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

/// One state behind all adapters. Clones share it.
#[derive(Debug, Clone)]
pub struct World {
    /// The wall clock of all use cases.
    pub clock: ManualClock,
    /// The source of identifiers.
    pub identities: SequentialIdentities,
    /// `DynamoDB` in memory.
    pub tables: MemoryTables,
    /// RocketMQ in memory.
    pub broker: MemoryBroker,
    /// The password hasher.
    pub passwords: PlainHasher,
    /// The source of access tokens and refresh tokens.
    pub tokens: NumberedTokens,
    /// The mails that were sent.
    pub mailbox: Mailbox,
    /// Whether registrations ask for a mail.
    pub sends_mails: bool,
    /// How many open units an account may hold; `None` if they are not counted.
    pub open_units_max: Option<u32>,
}

/// More open units than a test's accounts reserve, unless it is about them.
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

/// The use case [`orders::create::CreateOrder`] in memory.
pub type MemoryCreateOrders = orders::create::CreateOrder<
    MemoryTables,
    MemoryTables,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

/// The use case [`events::answer_check::AnswerCheck`] in memory.
pub type MemoryAnswerChecks =
    events::answer_check::AnswerCheck<MemoryTables, MemoryTables, MemoryBroker, ManualClock>;

/// The use case [`events::consume::ConsumeEvents`] in memory, with other aggregates if a test gives
/// them.
pub type MemoryConsumePending<Aggregates = MemoryTables> = events::consume::ConsumeEvents<
    MemoryBroker,
    MemoryTables,
    MemoryBroker,
    Aggregates,
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

/// The use case [`DeleteAccount`] in memory.
pub type MemoryDeleteAccount =
    DeleteAccount<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

/// The use case [`AskForMail`] in memory.
pub type MemoryAskForMail =
    AskForMail<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

/// The use case [`RedeemMail`] in memory.
pub type MemoryRedeemMail =
    RedeemMail<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

/// The handler [`events::send_mail::SendMail`] in memory.
pub type MemorySendMail =
    events::send_mail::SendMail<MemoryTables, MemoryTables, Mailbox, NumberedTokens, ManualClock>;

type MemoryCurrentPassword =
    CurrentPassword<MemoryTables, PlainHasher, SequentialIdentities, ManualClock>;

/// Orders and events.
impl World {
    /// The use case, which creates orders even without the broker.
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

    /// The use case that answers check-backs.
    pub fn answer_checks(&self) -> MemoryAnswerChecks {
        let (orders, aggregates) = (self.tables.clone(), self.tables.clone());
        let (topics, clock) = (self.broker.clone(), self.clock.clone());
        events::answer_check::AnswerCheck::new(orders, aggregates, topics, clock)
    }

    /// The use case that consumes events, with the handlers of `registry` in addition to those that
    /// change orders only.
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
            letters: self.tables.clone(),
            announcements: self.broker.clone(),
            pace: events::consume::Pace::default(),
        }
    }

    /// The use case that publishes pending events again.
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

/// Users.
impl World {
    fn guard(&self) -> GuessGuard<MemoryTables, ManualClock> {
        GuessGuard { records: self.tables.clone(), clock: self.clock.clone() }
    }

    /// The use case that creates accounts.
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

    /// The use case that begins sessions.
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

    /// The use case that exchanges refresh tokens.
    pub fn refresh_session(&self) -> MemoryRefreshSession {
        RefreshSession {
            users: self.tables.clone(),
            tokens: self.tokens.clone(),
            refresh_tokens: self.tokens.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// The use case that ends sessions.
    pub fn log_out(&self) -> LogOut<MemoryTables, SequentialIdentities, ManualClock> {
        LogOut {
            show: self.show_account(),
            users: self.tables.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// The use case that shows an account to its user.
    pub fn show_account(&self) -> ShowAccount<MemoryTables, ManualClock> {
        ShowAccount { users: self.tables.clone(), clock: self.clock.clone() }
    }

    /// The use case that changes passwords.
    pub fn change_password(&self) -> MemoryChangePassword {
        ChangePassword { show: self.show_account(), current: self.current_password() }
    }

    /// The use case that deletes accounts.
    pub fn delete_account(&self) -> MemoryDeleteAccount {
        DeleteAccount { show: self.show_account(), current: self.current_password() }
    }

    /// The use case that asks for mails.
    pub fn ask_for_mail(&self) -> MemoryAskForMail {
        AskForMail { show: self.show_account(), current: self.current_password() }
    }

    /// The use case that uses mailed tokens.
    pub fn redeem_mail(&self) -> MemoryRedeemMail {
        RedeemMail {
            users: self.tables.clone(),
            passwords: self.passwords.clone(),
            identities: self.identities.clone(),
            clock: self.clock.clone(),
        }
    }

    /// The handler that sends mails.
    pub fn send_mail(&self) -> MemorySendMail {
        events::send_mail::SendMail {
            users: self.tables.clone(),
            aggregates: self.tables.clone(),
            mailer: self.mailbox.clone(),
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

    /// The use case that lists a user's activities.
    pub fn list_activity(&self) -> ListActivity<MemoryTables, ManualClock> {
        ListActivity { show: self.show_account(), log: self.tables.clone() }
    }
}
