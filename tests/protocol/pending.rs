//! What becomes of an order's events: each is pending in its order until it is handled.
//!
//! The order is created and the half message of `OrderCreated` is committed; from there on two
//! consumers, the customer, the broker, the sweep and an operator go on. How the order came to be
//! is the model [`creating`](crate::creating).

pub(crate) mod action;
pub(crate) mod event;
pub(crate) mod parties;
pub(crate) mod properties;
pub(crate) mod protocol;
pub(crate) mod state;
pub(crate) mod variant;
mod verdicts;
