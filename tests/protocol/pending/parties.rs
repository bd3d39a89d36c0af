//! The parties, one file each: the steps that are possible in a state, and their effects.

pub(crate) mod broker;
pub(crate) mod event_consumer;
pub(crate) mod inventory;
pub(crate) mod operator;
pub(crate) mod order_item;
pub(crate) mod other_group;
pub(crate) mod sweep;
pub(crate) mod user;
