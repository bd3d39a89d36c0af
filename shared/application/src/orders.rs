//! An order's own use cases.

pub mod cancel;
pub mod create;
pub mod identity;
