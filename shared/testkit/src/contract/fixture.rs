use std::time::Duration;

use application::backoff::Backoff;
use application::deadline::Deadline;
use application::outcome::{FailureClass, WriteTry};
use application::ports::creating::{Fences, OrderCreation, OrderKeys};
use application::ports::letters::DeadLetterMoves;
use application::ports::pending::{
    PendingEventIndex, PendingEventStore, Reservations, StockReturns,
};
use application::ports::reading::{PendingAggregates, PendingEventAges, StoredAggregates};
use application::ports::{
    AccountRemoval, AccountRepository, Accounts, ActivityLog, ActivityReader, Catalog, DeadLetter,
    DeadLetterChannel, DeadLetterReader, DeadLetterRemoval, EventSubscription, GuessRecords,
    KnownSourceRemoval, KnownSources, OrderReader, PublishedEvents, Sessions,
    TransactionalPublisher, UserRepository, VerificationKeyStore, VerificationKeys,
};
use domain::aggregate::AggregateKey;
use domain::identity::ProductId;
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

/// Every port of the keys of orders, which one adapter serves.
pub trait OrderKeyStore: OrderCreation + OrderKeys + Fences {}

impl<Store: OrderCreation + OrderKeys + Fences> OrderKeyStore for Store {}

/// Every port of aggregates with what is pending of them, which one adapter serves.
pub trait AggregateStore: PendingEventStore + Reservations + PendingEventIndex {}

impl<Store> AggregateStore for Store where
    Store: PendingEventStore + Reservations + PendingEventIndex
{
}

/// Every port that reads many aggregates at once, which one adapter serves.
pub trait AggregateReads: PendingEventAges + PendingAggregates + StoredAggregates {}

impl<Reader: PendingEventAges + PendingAggregates + StoredAggregates> AggregateReads for Reader {}

/// The adapters of one technology over one set of empty tables.
pub trait TableFixture: Sync {
    /// What is at the keys of orders.
    fn order_keys(&self) -> impl OrderKeyStore;
    /// Aggregates, each in one item with everything that must be true together.
    fn aggregates(&self) -> impl AggregateStore;
    /// The stock that orders give back.
    fn stock_returns(&self) -> impl StockReturns;
    /// Aggregates, many at once.
    fn aggregate_reads(&self) -> impl AggregateReads;
    /// Into the dead letters and out of them.
    fn letter_moves(&self) -> impl DeadLetterMoves;

    /// Where orders are looked up.
    fn reader(&self) -> impl OrderReader;
    /// What is sold, with nothing remembered yet.
    fn catalog(&self) -> impl Catalog;
    /// Dead letters as operators read them.
    fn letters(&self) -> impl DeadLetterReader;
    /// The way out of the dead letters that ends in nothing.
    fn removal(&self) -> impl DeadLetterRemoval;

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
    /// When the table deletes an account or a session; none as long as it is kept.
    fn expiry_of(&self, key: AggregateKey) -> impl Future<Output = Option<Timestamp>> + Send;
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
