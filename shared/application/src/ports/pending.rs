//! Events that are not handled yet, in the aggregates that raised them.

use std::future::Future;

use domain::account::UserEvents;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::order::{StatusChange, StoredOrder};
use domain::pending::{PendingEvents, Rank};
use domain::timestamp::Timestamp;

use super::{Page, Topic};
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{Failure, WriteTry};

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
    /// index listed it. Of any number of sweeps that find it there, at most one claims it.
    Claim {
        /// The due time in the index when the sweep read it.
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
    /// The event of which the user is notified, and when, if there is one.
    pub notified: Option<(EventId, Timestamp)>,
    /// The pending events after the change.
    pub pending: PendingEvents,
    /// The change of the aggregate's entry in the index.
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
    /// The change of the aggregate's entry in the index.
    pub index: IndexChange,
}

/// A change of the pending events of an aggregate, with everything that must change together.
#[derive(Debug, Clone)]
pub enum AggregateChange<'a> {
    /// A change of an order: of its status, notifications and pending events.
    Order(OrderChange<'a>),
    /// A change of an account, a session or a mail: of its pending events alone.
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

/// An aggregate that is due for the sweep, by the index. It may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueAggregate {
    /// The key of the aggregate.
    pub key: AggregateKey,
    /// Since when the aggregate is due. A claim is conditional on this time.
    pub due: Timestamp,
}

/// What is due for the sweep, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueAggregates {
    /// The aggregates: those of the first rank before those of the second, and of one rank the
    /// earliest first.
    pub aggregates: Vec<DueAggregate>,
    /// Whether more may be due than was asked for.
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
    /// [`Failure`] if the entry is not moved, or if that is unknown.
    fn postpone(
        &self,
        due: &DueAggregate,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Which aggregates have pending events.
pub trait PendingAggregates: Send + Sync {
    /// Where a page ends.
    type Position: Send;

    /// A page of all aggregates with pending events, due or not, in no order: the first page, or
    /// the one that begins where another ends. It MAY be a few seconds out of date. The pages
    /// together MUST contain every aggregate that was listed all the time, and MAY contain an
    /// aggregate twice that the sweep has moved meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        after: Option<Self::Position>,
    ) -> impl Future<Output = Result<Page<AggregateKey, Self::Position>, Failure>> + Send;
}

/// How long events have been pending.
pub trait PendingEventAges: Send + Sync {
    /// Whether an event has been pending since before `at`. It MAY be a few seconds out of date,
    /// and MAY count an event that was handled after the sweep looked at its aggregate last.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn any_pending_before(
        &self,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}
