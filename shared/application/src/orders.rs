//! An order's own use cases.

pub mod create;
pub mod identity;
