//! From an aggregate's change to its last handler.
//!
//! An event is true with the write that makes it so, and **pending** in its aggregate until the last
//! of our handlers is done with it. Everything here asks the aggregate: what is published is rebuilt
//! from it, a check-back is answered by it, a handler acts on it.

mod aggregate;
pub mod answer_check;
pub mod consume;
pub mod publish;
pub(crate) mod revise;
pub mod sweep;

pub use aggregate::{NotRebuilt, StoredAggregate};
