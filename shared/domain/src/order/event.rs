//! The events that an order raises.

use super::{OrderStatus, PricedLine};
use crate::event::EventStamp;
use crate::identity::{OrderId, UserId};
use crate::money::{Currency, Money};
use crate::timestamp::Timestamp;

/// Something that has become true of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderEvent {
    /// Of which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// The order's version with this event, counted from 1: the order of events, whatever the order
    /// of their delivery.
    pub aggregate_version: u32,
    /// When.
    pub at: Timestamp,
    /// How it is published.
    pub stamp: EventStamp,
    /// What.
    pub fact: OrderFact,
}

/// What has become true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFact {
    /// It was created.
    Created {
        /// Its lines, one per product, sorted by product.
        lines: Vec<PricedLine>,
        /// In which currency.
        currency: Currency,
        /// Their sum.
        total: Money,
    },
    /// Its stock is reserved.
    Confirmed,
    /// There was not enough stock.
    Rejected,
    /// Its customer cancelled it.
    Cancelled,
}

impl OrderFact {
    /// The status that an order has with it.
    pub const fn status(&self) -> OrderStatus {
        match self {
            Self::Created { .. } => OrderStatus::Created,
            Self::Confirmed => OrderStatus::Confirmed,
            Self::Rejected => OrderStatus::Rejected,
            Self::Cancelled => OrderStatus::Cancelled,
        }
    }
}
