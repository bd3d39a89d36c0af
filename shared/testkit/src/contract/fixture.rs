use std::time::Duration;

use application::backoff::Backoff;
use application::deadline::Deadline;
use application::outcome::{FailureClass, WriteTry};
use application::ports::aggregates::StoredAggregates;
use application::ports::mail::{MailRepository, MailRequests, MailTokens};
use application::ports::pending::{
    PendingAggregates, PendingEventAges, PendingEventIndex, PendingEventStore,
};
use application::ports::stock::{Reservations, StockReturns};
use application::ports::{
    AccountRemoval, AccountRepository, Accounts, ActivityLog, ActivityReader, Catalog, DeadLetter,
    DeadLetterChannel, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval, EventSubscription,
    Fences, GuessRecords, KnownSourceRemoval, KnownSources, OrderCreation, OrderKeys, OrderListing,
    ProductListing, PublishedEvents, Sessions, TransactionalPublisher, VerificationKeyStore,
    VerificationKeys,
};
use application::users::judging::{Judged, Settled};
use domain::aggregate::AggregateKey;
use domain::identity::ProductId;
use domain::product::Product;
use domain::timestamp::Timestamp;

/// Ports that one adapter implements.
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
    + MailRequests
    + MailRepository
{
}

impl<Store> AccountStore for Store where
    Store: Accounts
        + AccountRepository
        + AccountRemoval
        + Sessions
        + ActivityLog
        + ActivityReader
        + GuessRecords
        + KnownSources
        + KnownSourceRemoval
        + MailRequests
        + MailRepository
{
}

/// Ports that one adapter implements.
pub trait OrderKeyStore: OrderCreation + OrderKeys + Fences {}

impl<Store: OrderCreation + OrderKeys + Fences> OrderKeyStore for Store {}

/// Ports that one adapter implements.
pub trait AggregateStore:
    PendingEventStore + Reservations + PendingEventIndex + MailTokens
{
}

impl<Store> AggregateStore for Store where
    Store: PendingEventStore + Reservations + PendingEventIndex + MailTokens
{
}

/// Ports that one adapter implements.
pub trait AggregateReads: PendingEventAges + PendingAggregates + StoredAggregates {}

impl<Reader: PendingEventAges + PendingAggregates + StoredAggregates> AggregateReads for Reader {}

/// The adapters of one technology, over one set of empty tables.
pub trait TableFixture: Sync {
    fn order_keys(&self) -> impl OrderKeyStore;
    fn aggregates(&self) -> impl AggregateStore;
    fn stock_returns(&self) -> impl StockReturns;
    fn aggregate_reads(&self) -> impl AggregateReads;
    fn letter_moves(&self) -> impl DeadLetterMoves;

    /// With an empty cache.
    fn catalog(&self) -> impl Catalog;
    fn order_listing(&self) -> impl OrderListing;
    fn product_listing(&self) -> impl ProductListing;
    fn letters(&self) -> impl DeadLetterReader;
    fn removal(&self) -> impl DeadLetterRemoval;

    fn accounts(&self) -> impl AccountStore;

    /// With an empty cache.
    fn keys(&self) -> impl VerificationKeyStore + VerificationKeys;

    fn put_products(&self, products: &[Product]) -> impl Future<Output = ()> + Send;
    /// Gives a product a new name and price, as an import does, and keeps its stock.
    fn put_product_keeping_stock(&self, product: &Product) -> impl Future<Output = ()> + Send;
    fn add_stock(&self, product: ProductId, units: u32) -> impl Future<Output = ()> + Send;
    fn stock_of(&self, product: ProductId) -> impl Future<Output = Option<u32>> + Send;
    /// The time to live of an account, a session or a request for a mail; `None` while the table
    /// must keep it.
    fn expiry_of(&self, key: AggregateKey) -> impl Future<Output = Option<Timestamp>> + Send;
}

/// The broker's adapters, over topics that no other test uses.
pub trait ChannelFixture: Sync {
    type Publisher: TransactionalPublisher + PublishedEvents;
    type Subscription: EventSubscription;
    type DeadLetters: DeadLetterChannel;

    fn publisher(&self) -> &Self::Publisher;
    fn subscription(&self) -> &Self::Subscription;
    fn dead_letters(&self) -> &Self::DeadLetters;

    fn announced(&self) -> impl Future<Output = Vec<Announced>> + Send;
}

/// A letter as the dead-letter topic has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The event's id, or the message's id if the event could not be read.
    pub key: String,
    pub body: Vec<u8>,
    pub reason: String,
    pub handler: Option<String>,
    pub attempts: u32,
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

/// A moment in the suites' own time, which starts at 0.
pub fn moment(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_767_268_800_000).plus(Duration::from_secs(seconds))
}

/// A deadline later than any call needs.
pub fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

/// The outcome of a write, judged as a use case judges it.
pub(super) fn outcome<Met, Refusal>(
    tried: &WriteTry<Met>,
    judge: impl FnOnce(&Met) -> Judged<Refusal>,
) -> Judged<Refusal> {
    match tried {
        WriteTry::Done => Some(Settled::Stored),
        WriteTry::Cancelled(met) => judge(met),
        WriteTry::NotBegun(_) | WriteTry::Unknown(_) => None,
    }
}

/// Tries a write until it is settled, or a minute is over. After a busy item, an unavailable table
/// or a missing answer it waits and tries again, as a use case does. An emulator on a loaded
/// machine needs this.
pub(super) async fn settled<Reason>(
    attempt: impl AsyncFn() -> WriteTry<Reason>,
    is_busy: impl Fn(&Reason) -> bool,
) -> WriteTry<Reason> {
    let (first, most) = (Duration::from_millis(10), Duration::from_millis(400));
    let mut pause = Backoff::new(first, most, fastrand::u64(..));
    let deadline = Deadline::after(Duration::from_secs(60));
    loop {
        let tried = attempt().await;
        let is_open = match &tried {
            WriteTry::Done => false,
            WriteTry::Cancelled(cancelled) => is_busy(cancelled),
            WriteTry::NotBegun(failure) => failure.class != FailureClass::Permanent,
            WriteTry::Unknown(_) => true,
        };
        if !is_open || deadline.has_passed() {
            return tried;
        }
        pause.wait(deadline).await;
    }
}
