//! What operators do.

pub mod redrive;
pub mod replay;
