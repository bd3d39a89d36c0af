//! Stock and open units, which orders take and give back.

use std::collections::BTreeMap;
use std::future::Future;

use domain::identity::ProductId;
use domain::order::{OpenCount, StoredOrder};

use super::pending::OrderChange;
use crate::deadline::Deadline;
use crate::outcome::{ItemReason, WriteTry};

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
    /// for a return, if there are fewer than are given back; with it comes the count that was
    /// found, if there is one. A count that can't be read counts as busy.
    pub open: BTreeMap<OpenCount, ItemReason<u32>>,
}

/// What a reservation takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taking {
    /// How many units of each product.
    pub stock: BTreeMap<ProductId, u32>,
    /// By how many units each count of open units goes up.
    pub open: BTreeMap<OpenCount, u32>,
    /// What no count of open units may exceed.
    pub open_max: u32,
}

/// What an order gives back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returning {
    /// How many units of each product.
    pub stock: BTreeMap<ProductId, u32>,
    /// By how many units the account's count of open units goes down, if they were counted.
    pub open: Option<(OpenCount, u32)>,
}

/// The most items of one reservation, orders, products and counts of open units together
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const RESERVATION_ITEMS_MAX: usize = 100;

/// The stock, the accounts' open units, and the orders that wait for both.
pub trait Reservations: Send + Sync {
    /// Makes one try, within `deadline`, to take products out of stock together with the changes of
    /// their orders: all of it is stored, or nothing. Each change has the conditions of
    /// [`PendingEventStore::change`](super::pending::PendingEventStore::change); each product must
    /// have enough stock, and no count of open units may exceed its maximum. No order may occur
    /// twice, and there may be at most [`RESERVATION_ITEMS_MAX`] items together. A count MAY be
    /// deleted once its period is over.
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
    /// stored, or nothing. The change has the conditions of
    /// [`PendingEventStore::change`](super::pending::PendingEventStore::change); the only condition
    /// of a product is that it exists, so a failed one is a product that is no longer in the
    /// catalog; a count of open units must be at least as high as what it goes down. There may be
    /// at most [`RESERVATION_ITEMS_MAX`] items, including the order.
    fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &Returning,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ReservationCancelled>> + Send;
}
