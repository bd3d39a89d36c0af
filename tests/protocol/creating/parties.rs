//! The parties, one file each: what each can do in a state, and what that changes.

pub(crate) mod broker;
pub(crate) mod create_order;
pub(crate) mod event_consumer;
pub(crate) mod orders_table;
pub(crate) mod sweep;
pub(crate) mod transaction_check;
