//! Turns a stored record back into an order, by the same rules as for a new one.

use super::{History, LINES_MAX, Notification, Order, PricedLine, StatusChange, total_of};
use crate::identity::{OrderId, UserId};
use crate::money::{Currency, Money};

#[derive(Debug, Clone)]
pub struct OrderRecord {
    pub id: OrderId,
    pub user_id: UserId,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Its lines, one per product, sorted by product.
    pub lines: Vec<PricedLine>,
    /// The sum of the lines.
    pub total: Money,
    /// Every status so far, oldest first.
    pub history: Vec<StatusChange>,
    /// The notifications of its account, in any order.
    pub notifications: Vec<Notification>,
    /// How many events the order has raised.
    pub version: u32,
}

/// A stored order breaks a rule that holds for every order: something else wrote it, or this code
/// has a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptOrder {
    #[error("its lines are not 1 to {LINES_MAX}, one per product, sorted by product")]
    Lines,
    #[error("its total is not the sum of its lines")]
    Total,
    /// The order's history doesn't begin with CREATED, makes a forbidden step, or raises an event
    /// twice.
    #[error("its history is not one that an order can have")]
    History,
    #[error("its version is not the number of its statuses")]
    Version,
}

impl Order {
    /// Rebuilds a stored order. Its notifications are sorted by the events' versions, because the
    /// events may have been delivered in any order.
    ///
    /// # Errors
    ///
    /// [`CorruptOrder`] if no sequence of this module's methods can produce it.
    pub fn rehydrate(record: OrderRecord) -> Result<Self, CorruptOrder> {
        let OrderRecord {
            id,
            user_id,
            currency,
            lines,
            total,
            history,
            mut notifications,
            version,
        } = record;
        let sorted = lines.is_sorted_by(|a, b| a.product_id < b.product_id);
        if lines.is_empty() || lines.len() > LINES_MAX || !sorted {
            return Err(CorruptOrder::Lines);
        }
        if total_of(&lines) != Some(total) {
            return Err(CorruptOrder::Total);
        }
        let history = History::rehydrate(history).ok_or(CorruptOrder::History)?;
        if version != history.version() {
            return Err(CorruptOrder::Version);
        }
        notifications.sort_by_key(|notification| notification.aggregate_version);
        Ok(Self { id, user_id, currency, lines, total, history, notifications })
    }
}
