//! The events that an order raises.

use super::{OrderStatus, PricedLine};
use crate::event::EventStamp;
use crate::identity::{OrderId, UserId};
use crate::money::{Currency, Money};
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderEvent {
    pub order_id: OrderId,
    pub user_id: UserId,
    /// The order's version with this event, counted from 1. It gives the sequence of events, in
    /// whatever sequence they are delivered.
    pub aggregate_version: u32,
    pub at: Timestamp,
    pub stamp: EventStamp,
    pub fact: OrderFact,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFact {
    Created {
        /// Its lines, one per product, sorted by product.
        lines: Vec<PricedLine>,
        currency: Currency,
        /// The sum of the lines.
        total: Money,
    },
    /// The order's stock is reserved.
    Confirmed,
    /// There was not enough stock, or its account would have held too many open units.
    Rejected,
    /// The order's account cancelled it.
    Cancelled,
}

impl OrderFact {
    pub const fn status(&self) -> OrderStatus {
        match self {
            Self::Created { .. } => OrderStatus::Created,
            Self::Confirmed => OrderStatus::Confirmed,
            Self::Rejected => OrderStatus::Rejected,
            Self::Cancelled => OrderStatus::Cancelled,
        }
    }
}
