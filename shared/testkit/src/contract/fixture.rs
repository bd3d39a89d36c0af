use std::time::Duration;

use application::backoff::Backoff;
use application::deadline::Deadline;
use application::outcome::{FailureClass, WriteTry};
use application::ports::creating::{Fences, OrderCreation, OrderKeys};
use application::ports::letters::DeadLetterMoves;
use application::ports::pending::{Claims, PendingEventIndex, PendingEventStore, Reservations};
use application::ports::{
    AccountRemoval, AccountRepository, Accounts, ActivityLog, ActivityReader, Catalog, DeadLetter,
    DeadLetterChannel, DeadLetterReader, DeadLetterRemoval, DeadLetters, EventSubscription,
    GuessRecords, Inbox, Inventory, KnownSourceRemoval, KnownSources, Notifications, Observations,
    OrderReader, OrderRepository, Outbox, OutboxReader, OverdueEvents, PendingEvents,
    PublishedEvents, Sessions, TransactionLedger, TransactionalPublisher, UnobservedEvents,
    UserRepository, VerificationKeyStore, VerificationKeys,
};
use domain::identity::{EventId, ProductId};
use domain::product::Product;
use domain::timestamp::Timestamp;

/// Every port of accounts, which one adapter serves.
pub trait AccountStore:
    Accounts
    + AccountRepository
    + AccountRemoval
    + Sessions
    + ActivityLog
    + ActivityReader
    + GuessRecords
    + KnownSources
    + KnownSourceRemoval
{
}

impl<S> AccountStore for S where
    S: Accounts
        + AccountRepository
        + AccountRemoval
        + Sessions
        + ActivityLog
        + ActivityReader
        + GuessRecords
        + KnownSources
        + KnownSourceRemoval
{
}

/// Every port of aggregates with what is pending of them, which one adapter serves.
pub trait AggregateStore:
    OrderCreation + OrderKeys + Fences + PendingEventStore + Reservations + PendingEventIndex + Claims
{
}

impl<Store> AggregateStore for Store where
    Store: OrderCreation
        + OrderKeys
        + Fences
        + PendingEventStore
        + Reservations
        + PendingEventIndex
        + Claims
{
}

/// The adapters of one technology over one set of empty tables.
pub trait TableFixture: Sync {
    /// Orders, each in one item with everything that must be true together.
    fn aggregates(&self) -> impl AggregateStore;
    /// Into the dead letters and out of them.
    fn letter_moves(&self) -> impl DeadLetterMoves;

    /// Where orders are stored.
    fn orders(&self) -> impl OrderRepository;
    /// Where orders are looked up.
    fn reader(&self) -> impl OrderReader;
    /// What is sold, with nothing remembered yet.
    fn catalog(&self) -> impl Catalog;
    /// The record of attempts.
    fn ledger(&self) -> impl TransactionLedger;
    /// Events that no consumer has seen yet.
    fn outbox(&self) -> impl Outbox;
    /// What the sweep looks at.
    fn unobserved(&self) -> impl UnobservedEvents;
    /// How late the outbox is.
    fn overdue(&self) -> impl OverdueEvents;
    /// Inbox records by themselves.
    fn inbox(&self) -> impl Inbox;
    /// The end of an event's way.
    fn observations(&self) -> impl Observations;
    /// The stock.
    fn inventory(&self) -> impl Inventory;
    /// What customers were told.
    fn notifications(&self) -> impl Notifications;
    /// Events that were given up.
    fn dead_letters(&self) -> impl DeadLetters;
    /// Dead letters as operators read them.
    fn letters(&self) -> impl DeadLetterReader;
    /// The two ways out of the dead letters.
    fn removal(&self) -> impl DeadLetterRemoval;
    /// Outbox copies as operators read them.
    fn outbox_reader(&self) -> impl OutboxReader;
    /// What the sweep looks after, as operators list it.
    fn pending(&self) -> impl PendingEvents;

    /// Registrations and logins.
    fn users(&self) -> impl UserRepository;
    /// Everything else of users.
    fn accounts(&self) -> impl AccountStore;

    /// Public keys, with nothing remembered yet.
    fn keys(&self) -> impl VerificationKeyStore + VerificationKeys;

    /// Puts products into the catalog.
    fn put_products(&self, products: &[Product]) -> impl Future<Output = ()> + Send;
    /// How many of a product can still be promised.
    fn stock_of(&self, product: ProductId) -> impl Future<Output = Option<u32>> + Send;
    /// When an outbox copy expires; none as long as it is kept for ever.
    fn expiry_of_copy(&self, event_id: EventId) -> impl Future<Output = Option<Timestamp>> + Send;
}

/// The broker's adapters over topics that nobody else uses.
pub trait ChannelFixture: Sync {
    /// Sends in two steps, and tells what is published.
    type Publisher: TransactionalPublisher + PublishedEvents;
    /// Receives.
    type Subscription: EventSubscription;
    /// Announces dead letters.
    type DeadLetters: DeadLetterChannel;

    /// Sends in two steps, and tells what is published.
    fn publisher(&self) -> &Self::Publisher;
    /// Receives.
    fn subscription(&self) -> &Self::Subscription;
    /// Announces dead letters.
    fn dead_letters(&self) -> &Self::DeadLetters;

    /// Every announcement on the dead-letter topic.
    fn announced(&self) -> impl Future<Output = Vec<Announced>> + Send;
}

/// What the dead-letter topic tells of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The event's id, or the message's where that could not be read.
    pub key: String,
    /// The message's body as it came.
    pub body: Vec<u8>,
    /// Why it was given up.
    pub reason: String,
    /// Which handler gave it up.
    pub handler: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed for the first time.
    pub first_failed_at: Timestamp,
}

impl From<&DeadLetter> for Announced {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            key: letter.id().to_string(),
            body: letter.body.clone(),
            reason: letter.reason.clone(),
            handler: letter.handler.clone(),
            attempts: letter.attempts,
            first_failed_at: letter.first_failed_at,
        }
    }
}

/// A moment of the suites' own time, in seconds after its beginning.
pub fn moment(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_767_268_800_000).plus(Duration::from_secs(seconds))
}

/// More than any call needs.
pub fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

/// Tries a write until it is settled, or a minute is over, as a use case does: what is busy, away
/// or has no answer in time is tried again after a wait. An emulator on a loaded machine needs it.
pub(super) async fn settled<C>(
    attempt: impl AsyncFn() -> WriteTry<C>,
    is_busy: impl Fn(&C) -> bool,
) -> WriteTry<C> {
    let (first, most) = (Duration::from_millis(10), Duration::from_millis(400));
    let mut pause = Backoff::new(first, most, fastrand::u64(..));
    let deadline = Deadline::after(Duration::from_secs(60));
    loop {
        let tried = attempt().await;
        let is_open = match &tried {
            WriteTry::Done => false,
            WriteTry::Cancelled(cancelled) => is_busy(cancelled),
            WriteTry::Refused(failure) => failure.class != FailureClass::Permanent,
            WriteTry::Unknown(_) => true,
        };
        if !is_open || deadline.has_passed() {
            return tried;
        }
        pause.wait(deadline).await;
    }
}
