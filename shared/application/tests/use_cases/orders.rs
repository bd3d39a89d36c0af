//! An order's own use cases.

mod check_backs;
pub(crate) mod create;
