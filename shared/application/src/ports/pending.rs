//! Events that are not handled yet, in the aggregates that raised them.

use std::collections::BTreeMap;
use std::future::Future;

use domain::aggregate::AggregateKey;
use domain::identity::{EventId, ProductId};
use domain::order::{StatusChange, StoredOrder};
use domain::pending::{PendingEvents, Rank};
use domain::timestamp::Timestamp;
use domain::user::UserEvents;

use super::Topic;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{Failure, ItemReason, WriteTry};

/// What a write does to an aggregate's entry in the sweep's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexChange {
    /// It stays as it is: nothing that is pending is due before it.
    Keep,
    /// The sweep looks at the aggregate at another time, or in another order.
    Move {
        /// When the event is due that is due first.
        due: Timestamp,
        /// In which order the sweep looks at it.
        rank: Rank,
    },
    /// A sweep takes it: it moves as by `Move`, and the write is conditional on its being where the
    /// index has it. Of any number of sweeps that find it there at most one takes it.
    Claim {
        /// Where the index has it.
        expected: Timestamp,
        /// When the event is due that is due first.
        due: Timestamp,
        /// In which order the sweep looks at it.
        rank: Rank,
    },
    /// It leaves, because nothing is pending any more.
    Leave,
}

impl IndexChange {
    /// The entry is where what is pending says.
    pub fn at(pending: &PendingEvents) -> Self {
        let rank = pending.rank();
        pending.due().map_or(Self::Leave, |due| Self::Move { due, rank })
    }

    /// What becomes of the entry when what is pending changes. It costs write units only where the
    /// sweep would look too late, or at the wrong rank.
    pub fn between(before: &PendingEvents, after: &PendingEvents) -> Self {
        let Some(due) = after.due() else { return Self::Leave };
        let rank = after.rank();
        let is_early_enough = before.due().is_some_and(|before| before <= due);
        // A claim may have moved the entry on, and what was never sent should not wait for its end.
        let is_urgent = after.adds_unsent_to(before);
        if is_early_enough && before.rank() == rank && !is_urgent {
            Self::Keep
        } else {
            Self::Move { due, rank }
        }
    }
}

/// A change of an order, or of what is pending of it.
#[derive(Debug, Clone)]
pub struct OrderChange<'a> {
    /// The order as it was read. The change is conditional on its attempt and its revision, and
    /// raises the revision.
    pub before: &'a StoredOrder,
    /// What the order becomes, if that changes.
    pub reached: Option<StatusChange>,
    /// The event that its customer is notified of, and when, if of one.
    pub notified: Option<(EventId, Timestamp)>,
    /// What is pending after it.
    pub pending: PendingEvents,
    /// What becomes of its entry in the index.
    pub index: IndexChange,
}

/// A change of what is pending of an account or a session.
#[derive(Debug, Clone)]
pub struct UserChange<'a> {
    /// Its events as they were read. The change is conditional on their revision, and raises it.
    pub before: &'a UserEvents,
    /// What is pending after it. With the last event its expiry is stored, if it has one; before it
    /// nothing with something pending expires.
    pub pending: PendingEvents,
    /// What becomes of its entry in the index.
    pub index: IndexChange,
}

/// A change of what is pending of an aggregate, and of what must be true with it.
#[derive(Debug, Clone)]
pub enum AggregateChange<'a> {
    /// Of an order.
    Order(OrderChange<'a>),
    /// Of an account or a session.
    User(UserChange<'a>),
}

impl<'a> From<OrderChange<'a>> for AggregateChange<'a> {
    fn from(change: OrderChange<'a>) -> Self {
        Self::Order(change)
    }
}

impl AggregateChange<'_> {
    /// Names the aggregate.
    pub const fn key(&self) -> AggregateKey {
        match self {
            Self::Order(change) => change.before.key(),
            Self::User(change) => change.before.key,
        }
    }

    /// What is pending after it.
    pub const fn pending(&self) -> &PendingEvents {
        match self {
            Self::Order(change) => &change.pending,
            Self::User(change) => &change.pending,
        }
    }
}

/// What was found in place of an aggregate that was to be changed. None if nothing was found, or it
/// could not be read.
pub type Found = Option<StoredAggregate>;

/// Aggregates with what is pending of them.
pub trait PendingEventStore: Send + Sync {
    /// An aggregate, as of the last write. A tombstone is no aggregate.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is no aggregate.
    fn find(
        &self,
        key: AggregateKey,
    ) -> impl Future<Output = Result<Option<StoredAggregate>, Failure>> + Send;

    /// Makes one try, within `deadline`, to change an aggregate, and no second one of its own accord.
    /// It MUST be conditional on the revision, and of an order on the attempt, too, and MUST change
    /// named attributes alone. [`WriteTry::Cancelled`] says what was found.
    fn change(
        &self,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<Found>> + Send;
}

/// Why a reservation, or what gives one back, was not stored.
#[derive(Debug, Clone)]
pub struct ReservationCancelled {
    /// What each order has to do with it, in the order of the changes.
    pub orders: Vec<ItemReason<StoredOrder>>,
    /// What the products have to do with it: a condition that failed is a stock that is too small,
    /// with the stock that was found, if there is such a product. One that can't be read is busy: it
    /// settles nothing.
    pub stock: BTreeMap<ProductId, ItemReason<u32>>,
}

/// The most items of one reservation, orders and products together
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const RESERVATION_ITEMS_MAX: usize = 100;

/// The stock, and the orders that wait for it.
pub trait Reservations: Send + Sync {
    /// Makes one try, within `deadline`, to take products out of stock together with the changes of
    /// the orders that they are for: all of it is stored, or none. Each change is conditional as
    /// [`PendingEventStore::change`], each product on there being enough of it. No order may occur
    /// twice, and there may be [`RESERVATION_ITEMS_MAX`] orders and products at the most.
    fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &BTreeMap<ProductId, u32>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ReservationCancelled>> + Send;
}

/// The stock, and the orders that give back what they have taken.
pub trait StockReturns: Send + Sync {
    /// Makes one try, within `deadline`, to put products back into stock together with the change of the
    /// order that has taken them: all of it is stored, or none. The change is conditional as
    /// [`PendingEventStore::change`]; of a product the only condition is that there is one, so one that
    /// failed is a product that is not in the catalog any more. There may be [`RESERVATION_ITEMS_MAX`]
    /// items at the most, the order among them.
    fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &BTreeMap<ProductId, u32>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ReservationCancelled>> + Send;
}

/// An aggregate that is due for the sweep, as the index has it: it may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueAggregate {
    /// Which one.
    pub key: AggregateKey,
    /// Since when it is due, which a claim expects.
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
    /// Aggregates with events of a topic that are due at `now`, about `limit` of them. It MAY be a few
    /// seconds out of date, but MUST come to every aggregate, if those before it are claimed or postponed: what is due later never
    /// hides what is due earlier, nor does what can't be read hide what can.
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

    /// Moves the entry of an aggregate that can't be read to `until`, if it is where `due` says, so
    /// that it hides nothing behind it. It changes nothing else.
    ///
    /// # Errors
    ///
    /// [`Failure`] if whether it is moved is unknown.
    fn postpone(
        &self,
        due: &DueAggregate,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Where our consumer group stands.
pub trait GroupPosition: Send + Sync {
    /// Whether the group has been given everything that was on an event's topic at `at`, on every
    /// queue.
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
