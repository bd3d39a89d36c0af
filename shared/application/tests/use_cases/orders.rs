//! An order's own use cases.

mod cancel;
mod check_backs;
pub(crate) mod create;
mod get;
mod half_messages;
mod without_broker;
