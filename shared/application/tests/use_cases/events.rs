//! From an aggregate's change to its last handler.

mod consume;
mod groups;
mod sweep;
