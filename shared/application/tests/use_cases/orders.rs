//! Creating, reading and cancelling orders.

pub(crate) mod cancel;
mod check_backs;
pub(crate) mod create;
mod get;
mod half_messages;
mod list;
mod without_broker;
