//! Events, from the change of an aggregate to the last handler.
//!
//! The write that changes an aggregate also makes the event **pending** in it, until the last of
//! our handlers is done with it. Everything here relies on the aggregate: messages are rebuilt from
//! it, check-backs are answered from it, and handlers act on it.

mod aggregate;
pub mod answer_check;
pub mod consume;
pub mod publish;
mod report;
pub(crate) mod revise;
pub mod send_mail;
pub mod sweep;

pub use aggregate::{NotRebuilt, StoredAggregate};
