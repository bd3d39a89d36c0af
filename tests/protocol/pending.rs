//! How an order's events are handled: each is pending in its order until then.
//!
//! The order is created and the half message of `OrderCreated` is committed; from then on two
//! consumers, the user, the broker, the sweep and an operator act. The creation is the model
//! [`creating`](crate::creating).

pub(crate) mod action;
pub(crate) mod event;
pub(crate) mod parties;
pub(crate) mod properties;
pub(crate) mod protocol;
pub(crate) mod state;
pub(crate) mod variant;
mod verdicts;
