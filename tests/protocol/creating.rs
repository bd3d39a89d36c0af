//! How an order is created: attempts, their half messages, and the one item where they meet.
//!
//! One client wants one order, under one idempotency key. Each of its requests makes **attempts**:
//! a half message, one conditional put, an end. Several processes may handle requests at once, and
//! all their attempts meet at one key of the table.
//!
//! The model [`pending`](crate::pending) follows the order's event once it is delivered.

pub(crate) mod action;
pub(crate) mod parties;
pub(crate) mod properties;
pub(crate) mod protocol;
pub(crate) mod state;
mod stories;
pub(crate) mod variant;
mod verdicts;
