//! The events of an order, and a value for each of them.

use std::ops::{Index, IndexMut};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// The order's first event. Inventory and the notification handle it.
    OrderCreated,
    /// `OrderConfirmed` or `OrderRejected`. The notification and the handler with an effect
    /// elsewhere handle it.
    FollowUp,
    /// The notification handles it.
    OrderCancelled,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct PerEvent<Value>([Value; 3]);

impl Event {
    pub(crate) const ALL: [Self; 3] = [Self::OrderCreated, Self::FollowUp, Self::OrderCancelled];
}

impl<Value> Index<Event> for PerEvent<Value> {
    type Output = Value;

    fn index(&self, event: Event) -> &Value {
        &self.0[event as usize]
    }
}

impl<Value> IndexMut<Event> for PerEvent<Value> {
    fn index_mut(&mut self, event: Event) -> &mut Value {
        &mut self.0[event as usize]
    }
}
