//! The parts of the benchmark, each with its own system and table.

pub(crate) mod confirmations;
pub(crate) mod events;
pub(crate) mod functions;
pub(crate) mod hot;
pub(crate) mod orders;
pub(crate) mod path;
pub(crate) mod weather;
