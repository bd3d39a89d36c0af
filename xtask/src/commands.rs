//! One module for each command.

pub(crate) mod bench;
pub(crate) mod chaos;
pub(crate) mod contracts;
pub(crate) mod invoke;
pub(crate) mod mutants;
pub(crate) mod ops;
pub(crate) mod permissions;
pub(crate) mod pictures;
pub(crate) mod rename;
pub(crate) mod sam_local;
pub(crate) mod schemathesis;
pub(crate) mod simulate;
pub(crate) mod test;
pub(crate) mod up;
pub(crate) mod verify;
