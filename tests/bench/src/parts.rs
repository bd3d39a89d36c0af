//! The parts of the benchmark, each on a system and a table of its own.

pub(crate) mod confirmations;
pub(crate) mod events;
pub(crate) mod functions;
pub(crate) mod hot;
pub(crate) mod orders;
pub(crate) mod path;
pub(crate) mod weather;
