//! The parties, one file each: what each can do in a state, and what that changes.

pub(crate) mod broker;
pub(crate) mod event_consumer;
pub(crate) mod inventory;
pub(crate) mod operator;
pub(crate) mod order_item;
pub(crate) mod other_group;
pub(crate) mod sweep;
pub(crate) mod user;
