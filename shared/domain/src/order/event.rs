//! The events that an order raises.

use super::{OrderStatus, PricedLine};
use crate::event::EventStamp;
use crate::identity::{OrderId, UserId};
use crate::money::{Currency, Money};
use crate::timestamp::Timestamp;

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderEvent {
    /// The order that raised it.
    pub order_id: OrderId,
    /// The order's customer.
    pub user_id: UserId,
    /// The order's version with this event, counted from 1. It gives the sequence of events, in
    /// whatever sequence they are delivered.
    pub aggregate_version: u32,
    /// When it happened.
    pub at: Timestamp,
    /// The identifier, schema version and trace with which it is published.
    pub stamp: EventStamp,
    /// What happened.
    pub fact: OrderFact,
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFact {
    /// It was created.
    Created {
        /// Its lines, one per product, sorted by product.
        lines: Vec<PricedLine>,
        /// The currency of the prices and the total.
        currency: Currency,
        /// Their sum.
        total: Money,
    },
    /// Its stock is reserved.
    Confirmed,
    /// There was not enough stock, or its account would have held too many open units.
    Rejected,
    /// Its customer cancelled it.
    Cancelled,
}

impl OrderFact {
    /// The status that the order reached.
    pub const fn status(&self) -> OrderStatus {
        match self {
            Self::Created { .. } => OrderStatus::Created,
            Self::Confirmed => OrderStatus::Confirmed,
            Self::Rejected => OrderStatus::Rejected,
            Self::Cancelled => OrderStatus::Cancelled,
        }
    }
}
