//! From a stored record back to an order, through the same rules as a new one.

use super::{History, LINES_MAX, Notification, Order, PricedLine, StatusChange, total_of};
use crate::identity::{OrderId, UserId};
use crate::money::{Currency, Money};

/// The parts of a stored order.
#[derive(Debug, Clone)]
pub struct OrderRecord {
    /// Which order.
    pub id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// In which currency.
    pub currency: Currency,
    /// Its lines.
    pub lines: Vec<PricedLine>,
    /// Their sum.
    pub total: Money,
    /// Every status that it reached, oldest first.
    pub history: Vec<StatusChange>,
    /// What its customer was notified of, in any order.
    pub notifications: Vec<Notification>,
    /// How many events it has raised.
    pub version: u32,
}

/// A stored order breaks a rule that every order keeps: something else than this code wrote it, or
/// the code has a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptOrder {
    /// It has no line, too many, or they are not sorted one per product.
    #[error("its lines are not 1 to {LINES_MAX}, one per product, sorted by product")]
    Lines,
    /// Its total is not the sum of its lines.
    #[error("its total is not the sum of its lines")]
    Total,
    /// Its history doesn't begin with CREATED, makes a forbidden step, or raises an event twice.
    #[error("its history is not one that an order can have")]
    History,
    /// Its version is not the number of its statuses.
    #[error("its version is not the number of its statuses")]
    Version,
}

impl Order {
    /// Makes a stored order live again. Its notifications come back in the order of the events'
    /// versions: the events may have been delivered in any other.
    ///
    /// # Errors
    ///
    /// [`CorruptOrder`] if no sequence of this module's methods leads to it.
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
