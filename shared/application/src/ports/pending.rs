//! Events that are not handled yet, in the aggregates that raised them.

use std::collections::BTreeMap;
use std::future::Future;

use domain::account::UserEvents;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, ProductId};
use domain::order::{OpenCount, StatusChange, StoredOrder};
use domain::pending::{PendingEvents, Rank};
use domain::timestamp::Timestamp;

use super::Topic;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{Failure, ItemReason, WriteTry};

/// How a write changes an aggregate's entry in the sweep's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexChange {
    /// The entry is not changed: no pending event is due before it.
    Keep,
    /// The sweep looks at the aggregate at another time, or in another order.
    Move {
        /// When the first of the pending events is due.
        due: Timestamp,
        /// The order in which the sweep looks at it.
        rank: Rank,
    },
    /// A sweep claims the aggregate: the entry is moved as by `Move`, if it is still where the
    /// index had it. Of any number of sweeps that find it there, at most one claims it.
    Claim {
        /// The due time that the index had.
        expected: Timestamp,
        /// When the first of the pending events is due.
        due: Timestamp,
        /// The order in which the sweep looks at it.
        rank: Rank,
    },
    /// The entry is removed, because no event is pending any more.
    Leave,
}

impl IndexChange {
    /// Moves the entry to the due time of the pending events.
    pub fn at(pending: &PendingEvents) -> Self {
        let rank = pending.rank();
        pending.due().map_or(Self::Leave, |due| Self::Move { due, rank })
    }

    /// The change of the entry when the pending events change. The entry is moved, which costs
    /// write units, only if the sweep would look too late or at the wrong rank.
    pub fn between(before: &PendingEvents, after: &PendingEvents) -> Self {
        let Some(due) = after.due() else { return Self::Leave };
        let rank = after.rank();
        let is_early_enough = before.due().is_some_and(|before| before <= due);
        // A claim may have moved the entry, and an event that was never sent should not wait for
        // its end.
        let is_urgent = after.adds_unsent_to(before);
        if is_early_enough && before.rank() == rank && !is_urgent {
            Self::Keep
        } else {
            Self::Move { due, rank }
        }
    }
}

/// A change of an order, or of its pending events.
#[derive(Debug, Clone)]
pub struct OrderChange<'a> {
    /// The order as it was read. The change is conditional on its attempt and its revision, and
    /// increases the revision.
    pub before: &'a StoredOrder,
    /// The new status, if it changes.
    pub reached: Option<StatusChange>,
    /// The event of which the customer is notified, and when, if there is one.
    pub notified: Option<(EventId, Timestamp)>,
    /// The pending events after the change.
    pub pending: PendingEvents,
    /// The change of its entry in the index.
    pub index: IndexChange,
}

/// A change of the pending events of an account, a session or a mail.
#[derive(Debug, Clone)]
pub struct UserChange<'a> {
    /// Its events as they were read. The change is conditional on their revision, and increases it.
    pub before: &'a UserEvents,
    /// The pending events after the change. When the last one ends, the item's expiry is stored, if
    /// it has one. An item with pending events does not expire.
    pub pending: PendingEvents,
    /// The change of its entry in the index.
    pub index: IndexChange,
}

/// A change of the pending events of an aggregate, with everything that must change together.
#[derive(Debug, Clone)]
pub enum AggregateChange<'a> {
    /// A change of an order.
    Order(OrderChange<'a>),
    /// A change of an account, a session or a mail.
    User(UserChange<'a>),
}

impl<'a> From<OrderChange<'a>> for AggregateChange<'a> {
    fn from(change: OrderChange<'a>) -> Self {
        Self::Order(change)
    }
}

impl AggregateChange<'_> {
    /// The key of the aggregate.
    pub const fn key(&self) -> AggregateKey {
        match self {
            Self::Order(change) => change.before.key(),
            Self::User(change) => change.before.key,
        }
    }

    /// The pending events after the change.
    pub const fn pending(&self) -> &PendingEvents {
        match self {
            Self::Order(change) => &change.pending,
            Self::User(change) => &change.pending,
        }
    }
}

/// What was found instead of the aggregate that was to be changed. `None` if nothing was found, or
/// it could not be read.
pub type Found = Option<StoredAggregate>;

/// Reads and changes aggregates with their pending events.
pub trait PendingEventStore: Send + Sync {
    /// An aggregate, by a consistent read. A tombstone is not an aggregate.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is not an
    /// aggregate.
    fn find(
        &self,
        key: AggregateKey,
    ) -> impl Future<Output = Result<Option<StoredAggregate>, Failure>> + Send;

    /// Makes one try, within `deadline`, to change an aggregate, and never a second one. It MUST be
    /// conditional on the revision, and for an order also on the attempt, and MUST change only
    /// named attributes. [`WriteTry::Cancelled`] says what was found.
    fn change(
        &self,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<Found>> + Send;
}

/// Why a reservation, or the return of one, was not stored.
#[derive(Debug, Clone)]
pub struct ReservationCancelled {
    /// The reason of each order, in the order of the changes.
    pub orders: Vec<ItemReason<StoredOrder>>,
    /// The reason of each product. A condition failed if the stock is too small; with it comes the
    /// stock that was found, if the product exists. A product that can't be read counts as busy: it
    /// settles nothing.
    pub stock: BTreeMap<ProductId, ItemReason<u32>>,
    /// The reason of each count of open units. A condition failed if there would be too many, or,
    /// for a return, if there are fewer than are given back; with it comes the count that was found,
    /// if there is one. A count that can't be read counts as busy.
    pub open: BTreeMap<OpenCount, ItemReason<u32>>,
}

/// What a reservation takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taking {
    /// How many units of each product.
    pub stock: BTreeMap<ProductId, u32>,
    /// How many units each count of open units goes up.
    pub open: BTreeMap<OpenCount, u32>,
    /// What no count of open units may exceed.
    pub open_max: u32,
}

/// What an order gives back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returning {
    /// How many units of each product.
    pub stock: BTreeMap<ProductId, u32>,
    /// How many units its account's count of open units goes down, if they were counted.
    pub open: Option<(OpenCount, u32)>,
}

/// The most items of one reservation, orders, products and counts of open units together
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const RESERVATION_ITEMS_MAX: usize = 100;

/// The stock, the accounts' open units, and the orders that wait for both.
pub trait Reservations: Send + Sync {
    /// Makes one try, within `deadline`, to take products out of stock together with the changes of
    /// their orders: all of it is stored, or nothing. Each change has the conditions of
    /// [`PendingEventStore::change`]; each product must have enough stock, and no count of open
    /// units may exceed its maximum. No order may occur twice, and there may be at most
    /// [`RESERVATION_ITEMS_MAX`] items together. A count MAY be deleted once its period is over.
    fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ReservationCancelled>> + Send;
}

/// The stock, and the orders that give back what they have taken.
pub trait StockReturns: Send + Sync {
    /// Makes one try, within `deadline`, to put products back into stock and to lower the account's
    /// count of open units together with the change of the order that has taken them: all of it is
    /// stored, or nothing. The change has the conditions of [`PendingEventStore::change`]; the only
    /// condition of a product is that it exists, so a failed one is a product that is no longer in
    /// the catalog; a count of open units must be at least as high as what it goes down. There may
    /// be at most [`RESERVATION_ITEMS_MAX`] items, including the order.
    fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &Returning,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ReservationCancelled>> + Send;
}

/// An aggregate that is due for the sweep, by the index. It may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueAggregate {
    /// The key of the aggregate.
    pub key: AggregateKey,
    /// Since when it is due. A claim is conditional on it.
    pub due: Timestamp,
}

/// What is due for the sweep, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueAggregates {
    /// The aggregates: those of the first rank before those of the second, and of one rank the
    /// earliest first.
    pub aggregates: Vec<DueAggregate>,
    /// Whether there may be more.
    pub more: bool,
    /// How many parts of the index, or items in it, could not be read. They hide nothing else.
    pub unreadable: usize,
}

/// The index of aggregates with pending events.
pub trait PendingEventIndex: Send + Sync {
    /// Aggregates with events of a topic that are due at `now`, about `limit` of them. It MAY be a
    /// few seconds out of date. But it MUST reach every aggregate, if those before it are claimed
    /// or postponed: aggregates that are due later never hide those that are due earlier, and
    /// unreadable ones never hide readable ones.
    ///
    /// # Errors
    ///
    /// [`Failure`] if nothing could be read.
    fn due(
        &self,
        topic: Topic,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<DueAggregates, Failure>> + Send;

    /// Moves the entry of an unreadable aggregate to `until`, if it is still where `due` says, so
    /// that it hides no other aggregate. It changes nothing else.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not moved, or if that is unknown.
    fn postpone(
        &self,
        due: &DueAggregate,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// How far our consumer group has consumed the topics.
pub trait GroupPosition: Send + Sync {
    /// Whether every message that was on the topic at `at`, on every queue, was delivered to the
    /// group.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every broker has answered: then nothing is known.
    fn has_passed(
        &self,
        topic: Topic,
        at: Timestamp,
        deadline: Deadline,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}
