//! What operators do.

pub mod list_pending;
pub mod redrive;
pub mod replay;
pub mod replay_since;
pub mod republish;
