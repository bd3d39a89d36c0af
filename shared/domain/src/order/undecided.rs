//! An order that is still to be confirmed or rejected.

use super::{OpenPeriod, Order, OrderEvent, OrderStatus};
use crate::event::EventStamp;
use crate::timestamp::Timestamp;

/// An order that is CREATED, so it can be confirmed or rejected. Only [`Order::undecided`] makes
/// one.
#[derive(Debug, Clone, Copy)]
pub struct UndecidedOrder<'a>(&'a Order);

impl Order {
    /// The order as one to decide. `None` unless it is CREATED.
    pub fn undecided(&self) -> Option<UndecidedOrder<'_>> {
        (self.status() == OrderStatus::Created).then_some(UndecidedOrder(self))
    }
}

impl UndecidedOrder<'_> {
    /// Confirms the order: its stock is reserved.
    #[must_use]
    pub fn confirm(self, at: Timestamp, event: EventStamp) -> (Order, OrderEvent) {
        self.0.with_status(OrderStatus::Confirmed, at, event, None)
    }

    /// Confirms the order, and counts its units as open in the period of `at`.
    #[must_use]
    pub fn confirm_counted(self, at: Timestamp, event: EventStamp) -> (Order, OrderEvent) {
        self.0.with_status(OrderStatus::Confirmed, at, event, Some(OpenPeriod::of(at)))
    }

    /// Rejects the order: there is not enough stock for it, or its account would hold too many open
    /// units.
    #[must_use]
    pub fn reject(self, at: Timestamp, event: EventStamp) -> (Order, OrderEvent) {
        self.0.with_status(OrderStatus::Rejected, at, event, None)
    }
}
