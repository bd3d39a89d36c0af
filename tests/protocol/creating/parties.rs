//! The parties, one file each: the steps that are possible in a state, and their effects.

pub(crate) mod broker;
pub(crate) mod create_order;
pub(crate) mod event_consumer;
pub(crate) mod orders_table;
pub(crate) mod sweep;
pub(crate) mod transaction_check;
